from __future__ import annotations

import pytest
from django.test import Client

from registry import reviews
from registry.models import Blob, Reinspection
from registry.pipeline import reinspection
from registry.states import Role, RunState, Stage
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db


def test_the_bell_counts_what_is_new_and_the_list_says_it() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.reject(version, by=making.person(Role.REVIEWER, "rita"), note="<b>no</b>")
    client = signed_in(version.created_by)
    assert '1<span class="unseen"> unread' in client.get("/account/").content.decode()
    page = client.get("/notices/").content.decode()
    assert "rejected by rita" in page and "&lt;b&gt;no&lt;/b&gt;" in page
    notice = version.created_by.notices.get()
    assert client.post(f"/notices/{notice.pk}/")["Location"] == version.get_absolute_url()
    assert "unread" not in client.get("/account/").content.decode()


def test_everything_is_read_at_once() -> None:
    person = making.person()
    for _ in range(2):
        version = making.in_stage(Stage.IN_REVIEW, making.version(making.model(person)))
        reviews.reject(version, by=making.person(Role.REVIEWER), note="no")
    client = signed_in(person)
    client.post("/notices/read/")
    assert not person.notices.filter(read_at=None).exists()


def test_nobody_marks_what_others_were_told(member: Client) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.reject(version, by=making.person(Role.REVIEWER), note="no")
    assert member.post(f"/notices/{version.created_by.notices.get().pk}/").status_code == 404


def test_a_page_says_that_its_verdict_is_an_earlier_policys(member: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    assert "earlier policy" not in member.get(version.get_absolute_url()).content.decode()
    reinspection.announce("newer")
    page = member.get(version.get_absolute_url()).content.decode()
    assert "Inspected under an earlier policy" in page
    assert "Clean" in page


def test_why_it_could_not_be_inspected_is_for_insiders(member: Client, reviewer: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    reinspection.announce("newer")
    Reinspection.objects.create(
        blob=version.artifacts.get().blob, policy="newer", state=RunState.FAILED, attempts=3,
        error_code="engine.timeout", error_detail="no end after 3600 s",
    )  # fmt: skip
    assert "no end after" in reviewer.get(version.get_absolute_url()).content.decode()
    assert "no end after" not in member.get(version.get_absolute_url()).content.decode()


def test_reviewers_watch_the_policy_come_through(reviewer: Client) -> None:
    making.in_stage(Stage.PUBLISHED)
    making.in_stage(Stage.PUBLISHED)
    reinspection.announce("newer")
    Blob.objects.filter(pk=Blob.objects.values("pk")[:1]).update(policy="newer")
    page = reviewer.get("/policy/").content.decode()
    assert "Inspecting again: 1 of 2 files" in page
    assert 'hx-trigger="every 3s"' in page
    assert "Re-inspecting 1 of 2 files" in reviewer.get("/review/").content.decode()
    Blob.objects.update(policy="newer")
    page = reviewer.get("/policy/").content.decode()
    assert "All 2 files are inspected" in page and "hx-trigger" not in page


def test_what_failed_is_tried_again_from_the_page(reviewer: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    reinspection.announce("newer")
    row = Reinspection.objects.create(
        blob=version.artifacts.get().blob, policy="newer", state=RunState.FAILED, attempts=3,
        error_detail="the disk was full",
    )  # fmt: skip
    page = reviewer.get("/policy/").content.decode()
    assert "the disk was full" in page and version.model.name in page
    assert reviewer.post("/policy/retry/")["Location"] == "/policy/"
    row.refresh_from_db()
    assert (row.state, row.attempts) == (RunState.WAITING, 0)
