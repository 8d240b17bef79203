from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from registry import lifecycle
from registry.models import Event, Review, SmokeTest, StepRun, Version
from registry.states import EventKind, RunState, Stage, Step
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db


def act(version: Version, action: str) -> str:
    return reverse("portal:act", args=[version.model.slug, version.pk, action])


def shown(client: Client, version: Version) -> str:
    response = client.get(version.get_absolute_url())
    assert response.status_code == 200
    return response.content.decode()


def offered(client: Client, version: Version) -> set[str]:
    page = shown(client, version)
    actions = ("publish", "reject", "changes", "withdraw", "retry", "submit")
    return {action for action in actions if f'action="{act(version, action)}"' in page}


def test_a_reviewer_is_offered_the_decisions(reviewer: Client) -> None:
    version = making.in_stage(Stage.IN_REVIEW)

    assert offered(reviewer, version) == {"publish", "reject", "changes"}


def test_an_uploader_is_offered_no_decision() -> None:
    version = making.in_stage(Stage.IN_REVIEW)

    assert offered(signed_in(version.created_by), version) == set()


def test_a_reviewer_does_not_publish_an_own_upload(reviewer: Client) -> None:
    own = making.person(role=making.Role.REVIEWER)
    version = making.in_stage(Stage.IN_REVIEW, making.version(making.model(own)))
    client = signed_in(own)

    assert "publish" not in offered(client, version)
    assert "another reviewer has to decide" in shown(client, version)
    assert client.post(act(version, "publish")).status_code == 403


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.QUARANTINED, {"reject", "retry"}),
        (Stage.REJECTED, {"retry"}),
        (Stage.PUBLISHED, {"withdraw"}),
        (Stage.WITHDRAWN, {"retry"}),
        (Stage.CONVERTED, set()),
    ],
)
def test_each_stage_offers_what_it_allows(
    reviewer: Client, stage: Stage, expected: set[str]
) -> None:
    assert offered(reviewer, making.in_stage(stage)) == expected


def test_an_owner_withdraws_a_published_version_with_a_reason() -> None:
    version = making.in_stage(Stage.PUBLISHED)
    client = signed_in(version.created_by)

    without = client.post(act(version, "withdraw"), {"note": " "}, follow=True)
    version.refresh_from_db()
    assert version.stage == Stage.PUBLISHED
    assert "Say why" in without.content.decode()

    client.post(act(version, "withdraw"), {"note": "It was the wrong file."})
    version.refresh_from_db()
    assert version.stage == Stage.WITHDRAWN


def test_publishing_moves_it_and_records_the_decision(reviewer: Client) -> None:
    version = making.in_stage(Stage.IN_REVIEW)

    response = reviewer.post(act(version, "publish"), {"note": "fine"}, follow=True)

    version.refresh_from_db()
    assert version.stage == Stage.PUBLISHED
    assert "Published. It can be downloaded now." in response.content.decode()
    assert Review.objects.get(version=version).note == "fine"


def test_a_decision_that_came_too_late_is_told(reviewer: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)

    response = reviewer.post(act(version, "publish"), follow=True)

    assert "A version that is published cannot be published." in response.content.decode()


@pytest.mark.parametrize("action", ["publish", "reject", "changes"])
def test_a_member_decides_nothing(action: str) -> None:
    version = making.in_stage(Stage.IN_REVIEW)

    response = signed_in(version.created_by).post(act(version, action), {"note": "x"})

    version.refresh_from_db()
    assert response.status_code == 403
    assert version.stage == Stage.IN_REVIEW


def test_an_unknown_action_is_not_found(reviewer: Client) -> None:
    assert reviewer.post(act(making.in_stage(Stage.IN_REVIEW), "burn")).status_code == 404


def test_a_forged_form_changes_nothing() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    client = Client(enforce_csrf_checks=True)
    client.force_login(making.person(role=making.Role.REVIEWER))

    response = client.post(act(version, "publish"))

    version.refresh_from_db()
    assert response.status_code == 403
    assert "Please try again" in response.content.decode()
    assert version.stage == Stage.IN_REVIEW


def test_the_rail_polls_only_while_work_is_under_way(reviewer: Client) -> None:
    working = making.in_stage(Stage.RECEIVED)
    waiting = making.in_stage(Stage.IN_REVIEW)

    page = shown(reviewer, working)
    assert 'hx-trigger="every 2s"' in page
    assert '<meta http-equiv="refresh"' in page
    page = shown(reviewer, waiting)
    assert "hx-trigger=" not in page.partition('id="version"')[2]
    assert '<meta http-equiv="refresh"' not in page


def test_polling_brings_the_rail_alone_until_more_has_changed(reviewer: Client) -> None:
    version = making.in_stage(Stage.RECEIVED)
    run = StepRun.objects.create(version=version, step=Step.INSPECT, state=RunState.RUNNING)
    live = reverse("portal:live", args=[version.model.slug, version.pk])
    mark = f"received-{run.pk}-free"

    StepRun.objects.filter(pk=run.pk).update(percent=42, activity="Hashing")
    response = reviewer.get(live, {"mark": mark})
    assert "42 %, Hashing" in response.content.decode()
    assert "Scan report" not in response.content.decode()

    Version.objects.filter(pk=version.pk).update(stage=Stage.INSPECTED)
    response = reviewer.get(live, {"mark": mark})
    assert response["HX-Retarget"] == "#version"
    assert "Scan report" in response.content.decode()


def test_a_held_version_says_why_and_can_be_tried_again() -> None:
    version = making.in_stage(Stage.CONVERTED)
    version.problem = {"code": "smoke.failed", "detail": "It ran out of memory.", "step": "smoke"}
    version.save()
    client = signed_in(version.created_by)

    assert "It ran out of memory." in shown(client, version)
    assert offered(client, version) == {"retry"}
    client.post(act(version, "retry"))
    version.refresh_from_db()
    assert version.problem == {}


def test_a_skipped_smoke_test_says_so(member: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    SmokeTest.objects.create(
        artifact=version.artifacts.get(),
        verdict="skipped",
        data={"verdict": "skipped", "reason": "No base model to show it on.", "images": []},
    )

    page = shown(member, version)

    assert "Skipped" in page
    assert "No base model to show it on." in page


def test_reviewers_notes_are_not_for_everyone(member: Client, reviewer: Client) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviewer.post(act(version, "publish"), {"note": "between ourselves"})
    version.refresh_from_db()

    assert "between ourselves" not in shown(member, version)
    assert "between ourselves" in shown(reviewer, version)
    assert "between ourselves" in shown(signed_in(version.created_by), version)


def test_a_draft_can_be_handed_in_once_it_has_a_file() -> None:
    version = making.version()
    client = signed_in(version.created_by)
    assert offered(client, version) == set()

    making.artifact(version)
    assert offered(client, version) == {"submit"}
    client.post(act(version, "submit"))
    version.refresh_from_db()
    assert version.stage == Stage.RECEIVED


def test_a_file_can_be_taken_off_a_draft() -> None:
    file = making.artifact()
    version = file.version
    url = reverse("portal:remove-file", args=[version.model.slug, version.pk, file.pk])

    signed_in(version.created_by).post(url)

    assert not version.artifacts.exists()


def test_a_file_of_another_version_is_not_taken_off() -> None:
    file = making.artifact()
    other = making.version()
    url = reverse("portal:remove-file", args=[other.model.slug, other.pk, file.pk])

    assert signed_in(other.created_by).post(url).status_code == 404


def test_a_reviewer_deletes_what_is_in_quarantine_and_it_is_journalled(reviewer: Client) -> None:
    version = making.in_stage(Stage.QUARANTINED, verdict="malicious")
    url = reverse("portal:delete-version", args=[version.model.slug, version.pk])

    reviewer.post(url)

    assert not Version.objects.filter(pk=version.pk).exists()
    assert Event.objects.filter(kind=EventKind.DELETED, actor__username="rita").exists()


def test_a_member_deletes_only_own_versions(member: Client) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    url = reverse("portal:delete-version", args=[version.model.slug, version.pk])

    assert member.post(url).status_code == 403
    assert signed_in(version.created_by).post(url).status_code == 302
    assert not Version.objects.filter(pk=version.pk).exists()


def test_an_address_names_its_own_model(reviewer: Client) -> None:
    version, other = making.in_stage(Stage.PUBLISHED), making.model()

    assert reviewer.get(reverse("portal:version", args=[other.slug, version.pk])).status_code == 404


def test_the_journal_tells_who_moved_it_and_why(reviewer: Client) -> None:
    version = making.version()
    making.artifact(version)
    lifecycle.move(version, Stage.REJECTED, by=making.person(name="ana"), note="Not ours to share.")

    page = shown(reviewer, version)

    assert "Not ours to share." in page
    assert "by ana" in page


@pytest.mark.parametrize(
    ("stage", "action"),
    [(Stage.IN_REVIEW, "changes"), (Stage.IN_REVIEW, "reject"), (Stage.PUBLISHED, "withdraw")],
)
def test_an_uploader_reads_first_why_it_came_back(
    reviewer: Client, stage: Stage, action: str
) -> None:
    version = making.in_stage(stage)
    reviewer.post(act(version, action), {"note": "the hands are <b>wrong</b>"})

    page = shown(signed_in(version.created_by), version)

    rail_and_notice = page[: page.index("scan-title")]
    assert "the hands are &lt;b&gt;wrong&lt;/b&gt;" in rail_and_notice


def test_an_owner_edits_what_is_said_about_a_version() -> None:
    version = making.in_stage(Stage.PUBLISHED)
    client, url = signed_in(version.created_by), f"{version.get_absolute_url()}edit/"
    assert url in client.get(version.get_absolute_url()).content.decode()
    assert 'value="1.0"' in client.get(url).content.decode()

    form = {"name": "1.1", "trigger_words": "fern, copper", "notes": "Softer."}
    assert client.post(url, form).status_code == 302

    version.refresh_from_db()
    assert (version.name, version.notes) == ("1.1", "Softer.")
    assert version.trigger_words == ["fern", "copper"]


def test_nobody_else_edits_a_version(member: Client, reviewer: Client) -> None:
    url = f"{making.in_stage(Stage.PUBLISHED).get_absolute_url()}edit/"
    for client in (member, reviewer):
        assert client.get(url).status_code == 403


def test_a_name_that_is_taken_is_told_in_the_form() -> None:
    model = making.model()
    making.version(model, "1.0")
    url = f"{making.version(model, '2.0').get_absolute_url()}edit/"
    response = signed_in(model.owner).post(url, {"name": "1.0"})
    assert response.status_code == 422
    assert "There is already a version named" in response.content.decode()


def test_why_something_was_deleted_is_kept() -> None:
    version = making.in_stage(Stage.QUARANTINED)
    signed_in(version.created_by).post(f"{version.get_absolute_url()}delete/", {"note": "Oops."})
    assert version.model.events.get(kind="deleted").note == "Oops."
