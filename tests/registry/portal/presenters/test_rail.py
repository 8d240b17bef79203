from __future__ import annotations

import pytest

from registry import lifecycle
from registry.models import StepRun, Version
from registry.portal.presenters.rail import Rail, rail
from registry.states import RunState, Stage, Step
from tests.registry import making

pytestmark = pytest.mark.django_db


def states(shown: Rail) -> list[str]:
    return [stop.state for stop in shown.stops]


def moved(*stages: Stage) -> Version:
    version = making.version()
    making.artifact(version)
    for stage in stages:
        lifecycle.move(version, stage)
    return version


WAY = (Stage.RECEIVED, Stage.INSPECTED, Stage.CONVERTED, Stage.SMOKE_TESTED, Stage.IN_REVIEW)


def test_a_draft_waits_for_its_uploader() -> None:
    shown = rail(moved())

    assert states(shown) == ["person", "open", "open", "open", "open", "open"]
    assert not shown.under_way


def test_a_running_step_shows_its_percentage_and_activity() -> None:
    version = moved(Stage.RECEIVED)
    StepRun.objects.create(
        version=version, step=Step.INSPECT, state=RunState.RUNNING, percent=42, activity="Hashing"
    )

    shown = rail(version)

    assert states(shown) == ["done", "running", "open", "open", "open", "open"]
    assert (shown.stops[1].percent, shown.stops[1].fact) == (42, "Hashing")
    assert shown.under_way


def test_a_failed_attempt_announces_the_next() -> None:
    version = moved(Stage.RECEIVED)
    StepRun.objects.create(version=version, step=Step.INSPECT, attempts=1)

    assert rail(version).stops[1].fact == "try 2 of 3 soon"


def test_a_percentage_alone_does_not_change_the_mark() -> None:
    version = moved(Stage.RECEIVED)
    run = StepRun.objects.create(version=version, step=Step.INSPECT, state=RunState.RUNNING)
    before = rail(version).mark

    StepRun.objects.filter(pk=run.pk).update(percent=80)

    assert rail(version).mark == before


def test_review_waits_for_a_person() -> None:
    shown = rail(moved(*WAY))

    assert states(shown) == ["done", "done", "done", "done", "person", "open"]
    assert not shown.under_way


def test_a_published_version_has_gone_all_the_way() -> None:
    version = moved(*WAY)
    lifecycle.move(version, Stage.PUBLISHED, by=making.person())

    assert states(rail(version)) == ["done"] * 6


def test_a_held_step_shows_where_and_why() -> None:
    version = moved(Stage.RECEIVED, Stage.INSPECTED)
    version.problem = {"code": "x", "detail": "The disk is full.", "step": "convert"}
    version.save()

    shown = rail(version)

    assert states(shown) == ["done", "done", "held", "open", "open", "open"]
    assert shown.problem == "The disk is full."
    assert not shown.under_way


def test_what_inspection_quarantined_stops_there() -> None:
    shown = rail(moved(Stage.RECEIVED, Stage.QUARANTINED))

    assert states(shown) == ["done", "refused", "open", "open", "open", "open"]
    assert shown.stops[1].fact == "quarantined"


def test_a_rejected_version_says_by_whom_and_keeps_how_far_it_came() -> None:
    version = moved(*WAY)
    lifecycle.move(version, Stage.REJECTED, by=making.person(name="ana"), note="no")

    shown = rail(version)

    assert states(shown) == ["done", "done", "done", "done", "refused", "open"]
    assert shown.stops[4].fact == "rejected by ana"


def test_a_withdrawn_version_was_published_once() -> None:
    version = moved(*WAY)
    lifecycle.move(version, Stage.PUBLISHED)
    lifecycle.move(version, Stage.WITHDRAWN, note="no")

    assert states(rail(version)) == ["done", "done", "done", "done", "done", "refused"]


def test_between_two_steps_it_still_looks_again() -> None:
    assert rail(moved(Stage.RECEIVED, Stage.INSPECTED)).under_way


def test_what_was_quarantined_and_then_rejected_shows_both() -> None:
    version = moved(Stage.RECEIVED, Stage.QUARANTINED)
    making.judged(version.artifacts.get(), "malicious")
    lifecycle.move(version, Stage.REJECTED, by=making.person(name="ana"), note="no")

    shown = rail(version)

    assert states(shown) == ["done", "refused", "open", "open", "refused", "open"]
    assert shown.stops[1].fact == "quarantined, no findings"
    assert shown.stops[4].fact == "rejected by ana"
    assert "rejected by ana" in shown.summary
