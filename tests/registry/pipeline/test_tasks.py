from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from registry import lifecycle, uploads
from registry.errors import EngineError, UserError
from registry.models import Version
from registry.pipeline import leases, runs, steps, tasks
from registry.pipeline.runs import Outcome
from registry.states import RunState, Stage, Step
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    version = making.version()
    making.artifact(version)
    uploads.submit(version, by=version.created_by)
    return version


def doing(step: Callable[[Version, steps.Beat], Outcome], patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steps, "TABLE", {Step.INSPECT: step})


def attempt(version: Version) -> None:
    version.runs.update(due_at=timezone.now())
    tasks.work(version.runs.get().pk)


@pytest.mark.parametrize("error", [UserError("disk.full"), EngineError("engine.killed"), OSError()])
def test_what_keeps_failing_is_held_and_not_begun_for_ever(
    version: Version, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Outcome:
        raise error

    doing(fail, monkeypatch)
    for _ in range(leases.ATTEMPTS):
        attempt(version)
    version.refresh_from_db()
    assert version.is_held
    assert version.runs.get().state == RunState.FAILED
    assert runs.sweep() == {"expired": 0, "rung": 0, "followed": 0}


def test_a_result_for_a_version_that_a_person_moved_is_dropped(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(slow: Version, beat: steps.Beat) -> Outcome:
        lifecycle.move(Version.objects.get(pk=slow.pk), Stage.REJECTED)
        return Outcome(stages=(Stage.INSPECTED,))

    doing(overtaken, monkeypatch)
    attempt(version)
    version.refresh_from_db()
    assert version.stage == Stage.REJECTED
    assert version.runs.get().state == RunState.CANCELLED


def test_a_version_that_was_deleted_under_way_leaves_nothing(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(slow: Version, beat: steps.Beat) -> Outcome:
        uploads.delete_version(Version.objects.get(pk=slow.pk), by=slow.created_by)
        return Outcome(stages=(Stage.INSPECTED,))

    doing(deleted, monkeypatch)
    attempt(version)
    assert not Version.objects.filter(pk=version.pk).exists()
