from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from registry import blobs, uploads
from registry.models import Blob, Event, StepRun, Version
from registry.pipeline import leases, runs
from registry.pipeline.leases import LeaseLost
from registry.pipeline.runs import Claim, Outcome
from registry.states import RunState, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> Version:
    version = making.version()
    making.artifact(version)
    uploads.submit(version, by=version.created_by)
    return version


def claimed(version: Version) -> Claim:
    claim = runs.claim(version.runs.get(state=RunState.WAITING).pk, worker="one")
    assert claim is not None
    return claim


def expire(claim: Claim) -> None:
    past = timezone.now() - timedelta(seconds=1)
    StepRun.objects.filter(pk=claim.run.pk).update(lease_until=past)


def due(version: Version) -> None:
    version.runs.update(due_at=timezone.now())


def test_submitting_leaves_a_run_that_waits(version: Version) -> None:
    run = version.runs.get()
    assert (run.step, run.state) == ("inspect", RunState.WAITING)


def test_only_one_of_two_workers_gets_the_run(version: Version) -> None:
    pk = version.runs.get().pk
    assert runs.claim(pk, worker="one") is not None
    assert runs.claim(pk, worker="two") is None


def test_finishing_moves_the_version_and_makes_the_next_run(version: Version) -> None:
    claimed(version).finish(Outcome(stages=(Stage.INSPECTED,)))
    version.refresh_from_db()
    assert version.stage == Stage.INSPECTED
    assert version.runs.get(state=RunState.WAITING).step == "convert"


def test_a_late_result_is_ignored(version: Version) -> None:
    late = claimed(version)
    expire(late)
    runs.sweep()
    due(version)
    fresh = claimed(version)
    with pytest.raises(LeaseLost):
        late.finish(Outcome(stages=(Stage.QUARANTINED,)))
    with pytest.raises(LeaseLost):
        late.beat(50, "still here")
    fresh.finish(Outcome(stages=(Stage.INSPECTED,)))
    version.refresh_from_db()
    assert version.stage == Stage.INSPECTED


def test_a_commit_that_fails_leaves_everything_as_it_was(version: Version) -> None:
    def broken() -> None:
        raise RuntimeError("half way")

    claim = claimed(version)
    with pytest.raises(RuntimeError):
        claim.finish(Outcome(stages=(Stage.INSPECTED,), commit=broken))
    version.refresh_from_db()
    assert version.stage == Stage.RECEIVED
    claim.beat()


def test_a_beat_renews_the_lease_and_tells_the_percentage(version: Version) -> None:
    claim = claimed(version)
    expire(claim)
    claim.beat(40, "Hashing")
    run = version.runs.get()
    assert run.lease_until is not None
    assert run.lease_until > timezone.now()
    assert (run.percent, run.activity) == (40, "Hashing")


def test_three_failures_hold_the_version_for_a_person_with_the_reason(version: Version) -> None:
    for attempt in range(1, 4):
        due(version)
        claim = claimed(version)
        assert claim.run.attempts == attempt
        claim.fail("engine.killed", "signal 9")
    version.refresh_from_db()
    assert version.problem == {"code": "engine.killed", "detail": "signal 9", "step": "inspect"}
    assert version.stage == Stage.RECEIVED
    assert Event.objects.filter(version=version, kind="held").count() == 1
    assert runs.sweep()["followed"] == 0


def test_a_worker_that_dies_three_times_holds_it_too(version: Version) -> None:
    for _ in range(3):
        due(version)
        expire(claimed(version))
        runs.sweep()
    version.refresh_from_db()
    assert version.problem["code"] == "worker.lost"


def test_a_worker_of_this_host_that_was_killed_is_not_waited_for(version: Version) -> None:
    claim = claimed(version)
    child = subprocess.Popen(["true"])
    child.wait()
    name = leases.worker_name().replace(str(os.getpid()), str(child.pid))
    StepRun.objects.filter(pk=claim.run.pk).update(worker=name)
    assert runs.sweep()["expired"] == 0
    assert runs.sweep(own_host=True)["expired"] == 1
    due(version)
    other = runs.claim(claim.run.pk, worker=leases.worker_name())
    assert other is not None
    assert runs.sweep(own_host=True)["expired"] == 0


def test_a_failed_attempt_waits_before_the_next(version: Version) -> None:
    claim = claimed(version)
    claim.fail("engine.failed", "")
    assert runs.claim(claim.run.pk, worker="two") is None


def test_released_by_a_person_it_starts_from_the_first_attempt(version: Version) -> None:
    claimed(version).fail("engine.failed", "broken", final=True)
    version.refresh_from_db()
    runs.release(version, by=version.created_by, note="fixed the disk")
    run = version.runs.get(state=RunState.WAITING)
    assert (run.step, run.attempts) == ("inspect", 0)
    assert not version.is_held


def test_cancelled_work_is_not_written(version: Version) -> None:
    claim = claimed(version)
    runs.cancel(version)
    with pytest.raises(LeaseLost):
        claim.finish(Outcome(stages=(Stage.INSPECTED,)))


def test_the_sweeper_makes_the_run_that_a_crash_prevented(version: Version) -> None:
    version.runs.all().delete()
    assert runs.sweep()["followed"] == 1
    assert version.runs.get().step == "inspect"


def test_the_sweeper_rings_for_what_nobody_heard(version: Version, rung: list[int]) -> None:
    run = version.runs.get()
    runs.sweep()
    assert rung == [run.pk]
    runs.sweep()
    assert rung == [run.pk]
    StepRun.objects.update(rung_at=timezone.now() - leases.RING_AGAIN - timedelta(seconds=1))
    runs.sweep()
    assert rung == [run.pk, run.pk]


def test_a_busy_queue_is_not_rung_at_over_and_over(version: Version, rung: list[int]) -> None:
    claimed(version)
    waiting = making.version()
    making.artifact(waiting)
    uploads.submit(waiting, by=waiting.created_by)
    StepRun.objects.filter(version=waiting).update(
        rung_at=timezone.now() - leases.RING_AGAIN - timedelta(seconds=1)
    )
    runs.sweep()
    assert rung == []


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What was rung for; the doorbell itself is tested with real brokers elsewhere."""
    from registry.pipeline import tasks

    heard: list[int] = []

    def listen(args: tuple[int], **_: Any) -> None:
        heard.append(args[0])

    monkeypatch.setattr(tasks.work, "apply_async", listen)
    yield heard


def test_a_broker_that_is_down_loses_nothing(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.pipeline import tasks

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(tasks.work, "apply_async", refuse)
    run = version.runs.get()
    runs.ring(run)
    run.refresh_from_db()
    assert run.state == RunState.WAITING
    assert run.rung_at is not None


def test_deleting_a_version_takes_its_bytes_unless_another_has_them(
    django_capture_on_commit_callbacks: Any,
) -> None:
    data = making.safetensors(77)
    one, two = making.version(), making.version()
    digest = making.artifact(one, data=data).blob_id
    making.artifact(two, data=data)
    with django_capture_on_commit_callbacks(execute=True):
        uploads.delete_version(one, by=one.created_by)
    assert blobs.exists(digest)
    with django_capture_on_commit_callbacks(execute=True):
        uploads.delete_version(two, by=two.created_by)
    assert not blobs.exists(digest)
    assert not Blob.objects.filter(pk=digest).exists()
    assert Event.objects.filter(kind="deleted").count() == 2


def test_young_blobs_without_an_artifact_are_left_alone() -> None:
    version = making.version()
    digest = making.artifact(version).blob_id
    version.artifacts.all().delete()
    assert runs.collect() == 0
    Blob.objects.update(created_at=timezone.now() - runs.GRACE - timedelta(seconds=1))
    assert runs.collect() == 1
    assert not blobs.exists(digest)
