from __future__ import annotations

import pytest
from django.test import Client

from registry import reports
from registry.models import Version
from registry.states import Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


def queue(client: Client, show: str = "") -> str:
    response = client.get("/review/", {"show": show})
    assert response.status_code == 200
    return response.content.decode()


def test_the_number_that_waits_stands_beside_the_link(reviewer: Client, member: Client) -> None:
    making.in_stage(Stage.IN_REVIEW)

    assert "1 version waits for you" in queue(reviewer)
    assert '<span class="count">1' in reviewer.get("/").content.decode()
    assert '<span class="count">' not in member.get("/").content.decode()


def test_filters_tell_the_three_kinds_apart(reviewer: Client) -> None:
    waiting = making.in_stage(Stage.IN_REVIEW)
    refused = making.in_stage(Stage.QUARANTINED, verdict="malicious")
    held = making.in_stage(Stage.CONVERTED)
    Version.objects.filter(pk=held.pk).update(problem={"detail": "The disk is full."})

    def shown(show: str) -> set[Version]:
        page = queue(reviewer, show)
        return {v for v in (waiting, refused, held) if v.get_absolute_url() in page}

    assert shown("") == {waiting, refused, held}
    assert shown("review") == {waiting}
    assert shown("held") == {held}
    assert shown("quarantine") == {refused}
    assert shown("nonsense") == {waiting, refused, held}
    assert "Held: The disk is full." in queue(reviewer)


def test_the_gravest_finding_is_the_reason(reviewer: Client) -> None:
    version = making.in_stage(Stage.QUARANTINED, verdict="malicious")
    blob = version.artifacts.get().blob
    report = blob.report()
    assert report is not None
    findings = [
        {"rule": "odd", "severity": "suspicious", "message": "Something odd."},
        {
            "rule": "bad",
            "severity": "malicious",
            "message": "os.system is called (https://a.b/c#d).",
        },
    ]
    data = report.data | {"safety": {"verdict": "malicious", "findings": findings, "globals": []}}
    reports.store(blob, data)

    assert "os.system is called. And 1 more." in queue(reviewer)


def test_a_newcomer_is_pointed_out(reviewer: Client) -> None:
    making.in_stage(Stage.IN_REVIEW)

    assert "First upload by this person" in queue(reviewer)


def test_an_empty_queue_says_so(reviewer: Client) -> None:
    assert "Nothing waits for you" in queue(reviewer)
