"""Two at the same time: threads with connections of their own, on a database that commits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connections, transaction

from registry import blobs, reviews, uploads
from registry.errors import UserError
from registry.models import Blob, Reinspection, Version
from registry.pipeline import leases, places, reinspection, runs
from registry.pipeline.leases import LeaseLost
from registry.pipeline.runs import Outcome
from registry.states import Role, RunState, Stage
from tests.registry import making

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.real_locks,
]


def at_once(*things: Callable[[], object]) -> list[object]:
    """Do all of them together; what each returned or raised."""
    barrier = threading.Barrier(len(things))

    def one(thing: Callable[[], object]) -> object:
        barrier.wait(10)
        try:
            return thing()
        except (UserError, LeaseLost) as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(things)) as pool:
        return list(pool.map(one, things))


def again(version: Version) -> Version:
    """As another request would read it."""
    return Version.objects.get(pk=version.pk)


def test_handing_in_twice_starts_the_work_once() -> None:
    version = making.version()
    making.artifact(version)
    copies = [again(version) for _ in range(3)]
    answers = at_once(*(partial(uploads.submit, each, by=version.created_by) for each in copies))
    assert sorted(getattr(answer, "code", "") for answer in answers) == [
        "", "stage.changed", "stage.changed",
    ]  # fmt: skip
    assert version.runs.count() == 1


def test_trying_a_held_version_again_twice_makes_one_run() -> None:
    version = making.version()
    making.artifact(version)
    uploads.submit(version, by=version.created_by)
    claim = runs.claim(version.runs.get().pk, worker="one")
    assert claim is not None
    claim.fail("engine.failed", "broken", final=True)
    reviewer = making.person(Role.REVIEWER)
    copies = [again(version), again(version)]
    answers = at_once(*(partial(reviews.retry, each, by=reviewer) for each in copies))
    assert sorted(getattr(answer, "code", "") for answer in answers) == ["", "version.busy"]
    assert version.runs.filter(state=RunState.WAITING).count() == 1


def test_a_file_is_not_taken_off_a_version_that_is_being_handed_in() -> None:
    for _ in range(5):
        version = making.version()
        artifact = making.artifact(version)
        owner = version.created_by
        first, second = again(version), again(version)
        first_file = first.artifacts.get(pk=artifact.pk)
        at_once(
            partial(uploads.remove_artifact, first_file, by=owner),
            partial(uploads.submit, second, by=owner),
        )
        version.refresh_from_db()
        assert (version.stage == Stage.RECEIVED) == version.artifacts.exists()


def test_a_rejection_and_a_result_do_not_wait_for_each_other_crosswise() -> None:
    reviewer = making.person(Role.REVIEWER)
    for _ in range(5):
        version = making.version()
        making.artifact(version)
        uploads.submit(version, by=version.created_by)
        claim = runs.claim(version.runs.get().pk, worker="one")
        assert claim is not None
        outcome = Outcome(stages=(Stage.INSPECTED,))
        rejected = again(version)
        at_once(
            partial(claim.finish, outcome),
            partial(reviews.reject, rejected, by=reviewer, note="no"),
        )
        version.refresh_from_db()
        live = version.runs.filter(state__in=[RunState.WAITING, RunState.RUNNING])
        assert live.exists() == (version.stage == Stage.INSPECTED)


def test_publishing_and_withdrawing_the_same_bytes_leave_them_where_they_belong() -> None:
    data = making.safetensors(4711)
    reviewer = making.person(Role.REVIEWER)
    versions = []
    for _ in range(2):
        version = making.version()
        making.judged(making.artifact(version, data=data))
        versions.append(version)
    Version.objects.update(stage=Stage.IN_REVIEW)
    shown, coming = again(versions[0]), again(versions[1])
    reviews.publish(shown, by=reviewer)
    at_once(
        partial(reviews.withdraw, shown, by=reviewer, note="old"),
        partial(reviews.publish, coming, by=reviewer),
    )
    assert again(coming).stage == Stage.PUBLISHED
    assert places.reconcile()["settled"] == 0


def test_an_upload_waits_for_a_collection_of_the_same_bytes() -> None:
    data = making.safetensors(90210)
    version, other = making.version(), making.version()
    artifact = making.artifact(version, data=data)
    digest = artifact.blob_id
    artifact.delete()
    locked = threading.Event()

    def collect() -> None:
        with transaction.atomic():
            blob = Blob.objects.select_for_update().get(pk=digest)
            locked.set()
            # Long enough for the upload to have found the row that is about to go.
            time.sleep(0.5)
            blob.delete()
            blobs.delete(digest)

    def upload() -> object:
        locked.wait(10)
        return making.artifact(other, data=data)

    at_once(collect, upload)
    assert other.artifacts.get().blob_id == digest
    assert blobs.exists(digest)


def _served(salt: int) -> Version:
    """Published, with the report of an engine that judged by an earlier policy."""
    version = making.version()
    making.judged(making.artifact(version, data=making.safetensors(salt)))
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    version.refresh_from_db()
    reviews.publish(version, by=making.person(Role.REVIEWER))
    return version


def _found(blob: Blob, verdict: str, policy: str) -> dict[str, Any]:
    report = blob.report()
    assert report is not None
    safety = {**report.data["safety"], "verdict": verdict}
    return {**report.data, "safety": safety, "scanner": {"version": "1", "policy": policy}}


def _taken(blob: Blob) -> leases.Hold[Reinspection]:
    row, _ = Reinspection.objects.get_or_create(blob=blob, policy="newer")
    taken = leases.take(Reinspection, row.pk, worker="one")
    assert taken is not None
    return leases.Hold(run=taken, fence=taken.fence)


def test_a_model_that_is_deleted_while_its_file_is_inspected_again() -> None:
    for salt in range(5):
        version = _served(31_000 + salt)
        blob = version.artifacts.get().blob
        reinspection.announce("newer")
        hold = _taken(blob)
        data = _found(blob, "malicious", "newer")
        gone = again(version).model
        answers = at_once(
            partial(reinspection._finish, hold, data, seconds=0),
            partial(uploads.delete_model, gone, by=gone.owner),
        )
        assert [a for a in answers if a is not None and not isinstance(a, LeaseLost)] == []
        assert not Version.objects.filter(pk=version.pk).exists()
        assert not Blob.objects.filter(pk=blob.pk).exists()
        assert not blobs.exists(blob.digest)


def test_a_file_that_turns_out_worse_while_it_is_being_published() -> None:
    reviewer = making.person(Role.REVIEWER)
    for salt in range(5):
        version = making.version()
        making.judged(making.artifact(version, data=making.safetensors(32_000 + salt)))
        Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
        blob = version.artifacts.get().blob
        reinspection.announce("newer")
        hold = _taken(blob)
        data = _found(blob, "malicious", "newer")
        at_once(
            partial(reinspection._finish, hold, data, seconds=0),
            partial(reviews.publish, again(version), by=reviewer),
        )
        assert again(version).stage in {Stage.QUARANTINED, Stage.WITHDRAWN}
        places.reconcile()
        assert not blobs.is_public(blob.digest)


def test_two_files_of_one_version_that_turn_out_worse_together_withdraw_it_once() -> None:
    for salt in range(5):
        version, other = _served(33_000 + salt), _served(34_000 + salt)
        other.artifacts.update(version=version, name="second.safetensors")
        reinspection.announce("newer")
        files = [artifact.blob for artifact in version.artifacts.select_related("blob")]
        work = [
            partial(
                reinspection._finish, _taken(blob), _found(blob, "suspicious", "newer"), seconds=0
            )
            for blob in files
        ]
        assert at_once(*work) == [None, None]
        assert again(version).stage == Stage.WITHDRAWN
        assert version.events.filter(to=Stage.WITHDRAWN).count() == 1


def test_two_who_look_for_work_at_once_make_each_row_once() -> None:
    for salt in range(12):
        _served(35_000 + salt)
    reinspection.announce("newer")
    found = at_once(*[partial(reinspection.due, 6, patient=False)] * 3)
    assert all(isinstance(rows, list) for rows in found)
    rows = Reinspection.objects.filter(policy="newer")
    assert rows.count() == rows.values("blob").distinct().count() <= 18
    claimed = at_once(*[partial(leases.take, Reinspection, rows[0].pk, worker="one")] * 3)
    assert sum(claim is not None for claim in claimed) == 1
