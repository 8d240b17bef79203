"""A policy that changed: what is inspected again, in what order, and what follows from it.

The engine is the real one. An earlier policy is a report that bears another policy's name, as one
that an earlier engine wrote does.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest import MonkeyPatch
from pytest_django import DjangoCaptureOnCommitCallbacks

from registry import blobs, engine, notices, policies, reports, reviews, serving, uploads
from registry.errors import UserError
from registry.models import (
    Blob,
    Event,
    Notice,
    Policy,
    Reinspection,
    Report,
    StepRun,
    User,
    Version,
)
from registry.pipeline import leases, reinspection, tasks
from registry.states import NoticeKind, Role, RunState, Stage, Step
from scanner import samples
from tests.registry import making

pytestmark = pytest.mark.django_db

OLD = "an-earlier-policy"


@pytest.fixture(scope="module")
def now_in_force() -> str:
    return engine.policy()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint that would run a command."""
    path = tmp_path_factory.mktemp("samples") / "hostile.ckpt"
    samples.hostile(path)
    yield path
    assert not Path(samples.MARKER).exists(), "something ran the hostile sample's payload"


def judged_before(
    version: Version,
    path: Path | None = None,
    *,
    verdict: str = "clean",
    format: str = "safetensors",
) -> Blob:
    """A file of ``version``, with the report of an engine that judged by the earlier policy."""
    if path is None:
        artifact = making.artifact(version)
    else:
        artifact = uploads.receive_path(path, version=version, by=version.created_by)
    data = {
        "schema": 1,
        "size": artifact.blob.size,
        "format": format,
        "hashes": {"sha256": artifact.blob_id},
        "safety": {"verdict": verdict, "findings": [], "globals": []},
        "identity": {"kind": "lora", "base": "sd1", "precision": "fp16"},
        "scanner": {"version": "0", "policy": OLD},
    }
    reports.store(artifact.blob, data)
    reports.describe(version)
    return artifact.blob


def published(path: Path | None = None, *, by: User | None = None, **judged: str) -> Version:
    """Inspected under the earlier policy, approved and served."""
    version = making.version()
    judged_before(version, path, **judged)
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    version.refresh_from_db()
    reviews.publish(version, by=by or making.person(Role.REVIEWER))
    return version


def work_through(limit: int = 20) -> None:
    """As one worker would, without the messages."""
    for _ in range(limit):
        due = reinspection.due(1, patient=False)
        if not due:
            return
        reinspection.work(due[0].pk, worker="one")
    raise AssertionError("it never ends")


def told(kind: NoticeKind) -> set[str]:
    return set(Notice.objects.filter(kind=kind).values_list("person__username", flat=True))


def test_the_last_verdict_stands_until_the_new_one_is_there(now_in_force: str) -> None:
    version = published()
    artifact = version.artifacts.get()
    assert reinspection.announce(now_in_force)

    assert reinspection.progress().left == 1
    assert serving.authorise(version.created_by, artifact.pk).blob.policy == OLD

    work_through()
    artifact.refresh_from_db()
    assert (artifact.blob.verdict, artifact.blob.policy) == ("clean", now_in_force)
    assert serving.authorise(version.created_by, artifact.pk)
    assert not reinspection.progress().under_way


def test_the_same_verdict_is_a_line_in_the_journal_and_nothing_else(now_in_force: str) -> None:
    version = published()
    Notice.objects.all().delete()
    reinspection.announce(now_in_force)
    work_through()

    version.refresh_from_db()
    assert version.stage == Stage.PUBLISHED
    line = version.events.get(kind="again")
    assert "still clean" in line.note and now_in_force in line.note
    assert not Notice.objects.exists()


def test_what_is_worse_now_is_withdrawn_at_once_on_every_route(
    hostile: Path,
    now_in_force: str,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    reviewer, admin = making.person(Role.REVIEWER, "rita"), making.person(Role.ADMIN, "boss")
    fan = making.person(name="fan")
    version = published(hostile, by=reviewer)
    artifact = version.artifacts.get()
    serving.count(artifact, fan)
    assert blobs.is_public(artifact.blob_id)
    reinspection.announce(now_in_force)

    with django_capture_on_commit_callbacks(execute=True):
        work_through()

    version.refresh_from_db()
    artifact.refresh_from_db()
    assert (version.stage, version.verdict) == (Stage.WITHDRAWN, "malicious")
    assert not blobs.is_public(artifact.blob_id)
    with pytest.raises(UserError, match="quarantined"):
        serving.authorise(version.created_by, artifact.pk)
    with pytest.raises(UserError, match="not_found"):
        serving.authorise(fan, artifact.pk)
    move = version.events.get(to=Stage.WITHDRAWN)
    assert move.actor is None
    assert "hostile.ckpt" in move.note and now_in_force in move.note
    assert told(NoticeKind.WITHDRAWN) == {version.created_by.username, "rita", admin.username}
    unsafe = Notice.objects.get(kind=NoticeKind.UNSAFE)
    assert unsafe.person == fan
    assert artifact.blob_id in unsafe.note and not unsafe.link


def test_a_version_in_review_is_quarantined_as_on_a_first_inspection(
    hostile: Path, now_in_force: str
) -> None:
    making.person(Role.REVIEWER, "rita")
    version = making.version()
    judged_before(version, hostile, verdict="suspicious", format="torch-zip")
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    reinspection.announce(now_in_force)
    work_through()

    version.refresh_from_db()
    assert version.stage == Stage.QUARANTINED
    assert told(NoticeKind.QUARANTINED) == {version.created_by.username, "rita"}


def test_a_better_verdict_publishes_nothing_but_is_offered(now_in_force: str) -> None:
    making.person(Role.REVIEWER, "rita")
    version = making.version()
    judged_before(version, verdict="malicious")
    Version.objects.filter(pk=version.pk).update(stage=Stage.QUARANTINED)
    reinspection.announce(now_in_force)
    work_through()

    version.refresh_from_db()
    assert (version.stage, version.verdict) == (Stage.QUARANTINED, "clean")
    assert told(NoticeKind.CLEARED) == {"rita"}
    assert serving.refusal(version.artifacts.get()) == "quarantined"


def test_a_converted_file_is_inspected_again_like_an_original(now_in_force: str) -> None:
    version = published()
    version.artifacts.update(role="converted")
    reinspection.announce(now_in_force)
    work_through()
    assert set(Blob.objects.values_list("policy", flat=True)) == {now_in_force}


def test_a_published_versions_original_that_turns_out_malicious_withdraws_it(
    hostile: Path, now_in_force: str
) -> None:
    version = published()
    with_original = making.version()
    judged_before(with_original, hostile, verdict="suspicious", format="torch-zip")
    with_original.artifacts.update(version=version)
    reinspection.announce(now_in_force)
    work_through()

    version.refresh_from_db()
    assert version.stage == Stage.WITHDRAWN


def test_an_engine_that_fails_says_nothing_about_the_file(now_in_force: str) -> None:
    version = published()
    blob = version.artifacts.get().blob
    blobs.delete(blob.digest)
    reinspection.announce(now_in_force)
    for _ in range(leases.ATTEMPTS):
        Reinspection.objects.update(due_at=timezone.now())
        work_through()

    row = Reinspection.objects.get()
    assert (row.state, row.attempts) == (RunState.FAILED, 3)
    version.refresh_from_db()
    blob.refresh_from_db()
    assert (version.stage, blob.verdict, blob.policy) == (Stage.PUBLISHED, "clean", OLD)
    assert told(NoticeKind.HELD) == {person.username for person in notices.reviewers()}
    progress = reinspection.progress()
    assert (progress.failed, progress.left, progress.under_way) == (1, 0, False)
    assert reinspection.sweep()["rung"] == 0


def test_a_person_has_it_tried_again(now_in_force: str) -> None:
    published()
    reinspection.announce(now_in_force)
    row = reinspection.due(1)[0]
    Reinspection.objects.filter(pk=row.pk).update(state=RunState.FAILED, attempts=3)
    with pytest.raises(UserError, match="denied"):
        reinspection.retry(by=making.person())
    assert reinspection.retry(by=making.person(Role.REVIEWER)) == 1
    work_through()
    assert reinspection.progress().percent == 100
    assert Event.objects.filter(kind="released", subject="Re-inspection").exists()


def test_a_worker_that_was_killed_loses_and_doubles_nothing(
    now_in_force: str,
) -> None:
    published()
    reinspection.announce(now_in_force)
    child = subprocess.Popen(["true"])
    child.wait()
    name = leases.worker_name().replace(str(os.getpid()), str(child.pid))
    pk = reinspection.due(1)[0].pk
    late = leases.take(Reinspection, pk, worker=name)
    assert late is not None
    # Its lease is good for a while yet; only that process is gone.
    assert reinspection.sweep(own_host=True)["lost"] == 1
    Reinspection.objects.update(due_at=timezone.now())
    work_through()
    assert Reinspection.objects.get().state == RunState.DONE
    hold = leases.Hold(run=late, fence=late.fence)
    with pytest.raises(leases.LeaseLost):
        hold.beat(10)
    assert Report.objects.filter(policy=now_in_force).count() == 1


def test_a_few_are_in_flight_however_many_wait(now_in_force: str) -> None:
    version = making.version()
    made = Blob.objects.bulk_create(
        Blob(digest=f"{n:064x}", size=1, verdict="clean", format="safetensors", policy=OLD)
        for n in range(2_000)
    )
    version.artifacts.bulk_create(
        making.Artifact(version=version, blob=blob, name=f"{n}.safetensors")
        for n, blob in enumerate(made)
    )
    reinspection.announce(now_in_force)
    for _ in range(3):
        reinspection.sweep()
    assert Reinspection.objects.count() == reinspection.IN_FLIGHT
    progress = reinspection.progress()
    assert (progress.total, progress.left, progress.percent) == (2_000, 2_000, 0)


def test_what_is_being_served_is_inspected_first(now_in_force: str) -> None:
    for _ in range(5):
        judged_before(making.version())
    version = published()
    reinspection.announce(now_in_force)
    assert reinspection.due(1)[0].blob == version.artifacts.get().blob


def test_new_uploads_go_first(now_in_force: str) -> None:
    published()
    reinspection.announce(now_in_force)
    row = reinspection.due(1)[0]
    newcomer = making.version()
    making.artifact(newcomer)
    uploads.submit(newcomer, by=newcomer.created_by)

    reinspection.work(row.pk, worker="one")
    row.refresh_from_db()
    assert row.state == RunState.WAITING
    assert reinspection.fill() == 0

    # A queue that nobody works on does not hold it up for ever.
    run = newcomer.runs.get(step=Step.INSPECT)
    StepRun.objects.update(created_at=timezone.now() - reinspection.COURTESY)
    assert not reinspection.uploads_wait()
    StepRun.objects.update(created_at=timezone.now())
    tasks.work(run.pk)
    StepRun.objects.filter(state=RunState.WAITING).update(state=RunState.CANCELLED)
    assert reinspection.fill() == 1


def test_a_long_inspection_gives_way_to_an_upload_and_is_done_later(
    now_in_force: str, monkeypatch: MonkeyPatch
) -> None:
    published()
    reinspection.announce(now_in_force)
    row = reinspection.due(1)[0]
    waiting = iter([False, True])
    monkeypatch.setattr(reinspection, "uploads_wait", lambda: next(waiting, False))
    reinspection.work(row.pk, worker="one")
    row.refresh_from_db()
    # No attempt of the three was spent on it.
    assert (row.state, row.attempts, row.gave_way) == (RunState.WAITING, 0, 1)
    work_through()
    row.refresh_from_db()
    assert row.state == RunState.DONE


def test_an_older_engine_leaves_it_to_the_new_one(monkeypatch: MonkeyPatch) -> None:
    version = published()
    reinspection.announce("a-policy-that-this-engine-does-not-have")
    row = reinspection.due(1)[0]
    reinspection.work(row.pk, worker="old engine")
    row.refresh_from_db()
    assert (row.state, row.attempts) == (RunState.WAITING, 0)
    assert version.artifacts.get().blob.policy == OLD


def test_an_older_engines_report_does_not_replace_the_present_policys(now_in_force: str) -> None:
    version = published()
    reinspection.announce(now_in_force)
    work_through()
    blob = version.artifacts.get().blob
    stored = blob.report()
    assert stored is not None
    late = {**stored.data, "scanner": {"version": "0", "policy": "another-old-one"}}
    late["safety"] = {**late["safety"], "verdict": "malicious"}
    reports.store(blob, late)
    blob.refresh_from_db()
    assert (blob.verdict, blob.policy) == ("clean", now_in_force)
    assert blob.report() == stored


def test_a_policy_that_comes_back_uses_its_reports(now_in_force: str) -> None:
    version = published()
    reinspection.announce(now_in_force)
    work_through()
    made = Report.objects.get(policy=now_in_force).created_at
    policies.put_in_force("one in between")
    Blob.objects.update(policy="one in between")
    assert reinspection.announce(now_in_force)
    assert reinspection.progress().left == 1
    work_through()
    assert version.artifacts.get().blob.policy == now_in_force
    assert Report.objects.get(policy=now_in_force).created_at == made
    assert Policy.objects.count() == 2


def test_the_same_policy_said_twice_starts_nothing(now_in_force: str) -> None:
    published()
    assert reinspection.announce(now_in_force)
    work_through()
    assert not reinspection.announce(now_in_force)
    assert reinspection.due(10) == []


def test_a_first_inspection_that_finds_worse_stops_the_versions_that_bear_the_bytes(
    hostile: Path, now_in_force: str
) -> None:
    """Somebody uploads bytes that are served elsewhere, after the policy has changed."""
    served = published(hostile)
    reinspection.announce(now_in_force)
    other = making.version()
    uploads.receive_path(hostile, version=other, by=other.created_by)
    uploads.submit(other, by=other.created_by)
    tasks.work(other.runs.get().pk)

    served.refresh_from_db()
    other.refresh_from_db()
    assert (served.stage, other.stage) == (Stage.WITHDRAWN, Stage.QUARANTINED)


def test_files_are_inspected_anew_when_that_is_asked_for(now_in_force: str) -> None:
    version = published()
    reinspection.announce(now_in_force)
    work_through()
    digest = version.artifacts.get().blob_id
    assert reinspection.request([digest]) == 1
    assert reinspection.progress().left == 1
    work_through()
    assert reinspection.progress().left == 0
    assert version.events.filter(kind="again").count() == 2


def test_pictures_and_files_that_nobody_has_are_left_alone(now_in_force: str) -> None:
    version = published()
    version.artifacts.all().delete()
    Blob.objects.create(digest="0" * 64, size=1)
    reinspection.announce(now_in_force)
    assert reinspection.progress().total == 0
    assert reinspection.due(5) == []


def test_a_worse_verdict_that_stops_nothing_is_told_to_those_who_answer_for_it(
    now_in_force: str,
) -> None:
    version = making.version()
    making.person(Role.REVIEWER, "rita")
    artifact = making.artifact(version, data=_suspicious(), name="odd.ckpt")
    making.judged(artifact, "clean", "torch-zip")
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    reinspection.announce(now_in_force)
    work_through()
    version.refresh_from_db()
    assert (version.stage, version.verdict) == (Stage.IN_REVIEW, "suspicious")
    assert told(NoticeKind.WORSE) == {"rita"}


def _suspicious() -> bytes:
    from tests.registry.pipeline.test_steps import suspicious_checkpoint

    return suspicious_checkpoint()
