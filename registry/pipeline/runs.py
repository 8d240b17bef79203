"""Claiming, keeping and ending work: leases and fencing tokens over ``StepRun`` rows.

The database is the truth and Celery the doorbell. A run is claimed by one conditional UPDATE that
raises its fence; whoever holds the current fence may beat, finish or fail it, and nobody else.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from registry import blobs, lifecycle
from registry.errors import UserError
from registry.models import Artifact, Blob, Preview, StepRun, User, Version
from registry.states import EventKind, RunState, Stage, Step

log = structlog.get_logger(__name__)

ATTEMPTS = 3
#: How long a failed attempt waits before the next, times the number of attempts so far.
BACK_OFF = timedelta(seconds=10)
#: A waiting run that nobody took up is rung for again after this long …
RING_AGAIN = timedelta(seconds=30)
#: … and after this long while its queue is at work: it will most likely be heard yet.
RING_AGAIN_BUSY = timedelta(minutes=10)
#: Unreferenced blobs younger than this may be about to get their artifact.
GRACE = timedelta(hours=1)

#: Which step a version in this stage waits for.
DUE: Mapping[str, Step] = {
    Stage.RECEIVED: Step.INSPECT,
    Stage.INSPECTED: Step.CONVERT,
    Stage.CONVERTED: Step.SMOKE,
}
_LIVE = Q(state__in=[RunState.WAITING, RunState.RUNNING])


class LeaseLost(Exception):
    """The run is somebody else's by now, or gone. Whatever was being done is to be dropped."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found out: the stages to move through, and rows to write with the first move."""

    stages: tuple[Stage, ...]
    note: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    commit: Callable[[], None] | None = None


@dataclass(slots=True)
class Claim:
    """The right to work on a run until its lease ends."""

    run: StepRun
    fence: int

    def _version(self) -> Version | None:
        """Locked, and before the run: a person who moves it takes the two in the same order."""
        return Version.objects.select_for_update().filter(pk=self.run.version_id).first()

    def _held(self) -> Any:
        return StepRun.objects.filter(pk=self.run.pk, fence=self.fence, state=RunState.RUNNING)

    def beat(self, percent: int | None = None, activity: str = "") -> None:
        """Renew the lease and say how far the work is. ``LeaseLost`` if it is not ours any more."""
        changes: dict[str, Any] = {"lease_until": _lease_end()}
        if percent is not None:
            changes |= {"percent": max(0, min(100, percent)), "activity": activity[:80]}
        if not self._held().update(**changes):
            raise LeaseLost

    def finish(self, outcome: Outcome) -> None:
        """Write the outcome and go on with the next step, in one transaction."""
        with transaction.atomic():
            version = self._version()
            done = self._held().update(
                state=RunState.DONE,
                percent=100,
                activity="",
                error_code="",
                error_detail="",
                lease_until=None,
                finished_at=timezone.now(),
            )
            if version is None or not done:
                raise LeaseLost
            if outcome.commit:
                outcome.commit()
            for stage in outcome.stages:
                lifecycle.move(version, stage, note=outcome.note, data=outcome.data)
            follow(version)

    def drop(self) -> None:
        """End without an outcome: the version went another way meanwhile."""
        self._held().update(state=RunState.CANCELLED, lease_until=None, finished_at=timezone.now())

    def fail(self, code: str, detail: str, *, final: bool = False) -> None:
        """One attempt failed. After the last one, or if it is ``final``, a person is asked."""
        with transaction.atomic():
            self._version()
            if final or self.run.attempts >= ATTEMPTS:
                ended = self._held().update(
                    state=RunState.FAILED,
                    error_code=code,
                    error_detail=detail,
                    lease_until=None,
                    finished_at=timezone.now(),
                )
                if ended:
                    _hold(self.run, code, detail)
                return
            self._held().update(
                state=RunState.WAITING,
                error_code=code,
                error_detail=detail,
                lease_until=None,
                rung_at=None,
                due_at=timezone.now() + BACK_OFF * self.run.attempts,
            )


def _lease_end() -> Any:
    return timezone.now() + timedelta(seconds=settings.WEIGHHOUSE_LEASE)


def start(version: Version) -> StepRun | None:
    """Make the run that ``version``'s stage waits for, and ring for it after the commit."""
    Version.objects.filter(pk=version.pk).update(problem={})
    version.problem = {}
    return follow(version)


def follow(version: Version) -> StepRun | None:
    """The next run of ``version``, if its stage waits for one and none is live."""
    step = DUE.get(version.stage)
    if step is None or version.runs.filter(_LIVE).exists():
        return None
    run = StepRun.objects.create(version=version, step=step)
    ring_after_commit(run)
    return run


def ring_after_commit(run: StepRun) -> None:
    transaction.on_commit(lambda: ring(run))


def ring(run: StepRun) -> None:
    """Tell the workers. A broker that is down loses nothing: the sweeper rings again."""
    from registry.pipeline import tasks

    StepRun.objects.filter(pk=run.pk).update(rung_at=timezone.now())
    try:
        tasks.work.apply_async((run.pk,), queue=run.step)
    except Exception as error:
        # Whatever the transport raises: the row is there, and is rung for again.
        log.warning("broker.unreachable", run=run.pk, error=str(error))


def claim(pk: int, *, worker: str) -> Claim | None:
    """Take the run if it is due and free; None if another worker was faster or it is over."""
    run = StepRun.objects.filter(pk=pk).first()
    if run is None or run.state != RunState.WAITING or run.due_at > timezone.now():
        return None
    taken = StepRun.objects.filter(pk=pk, state=RunState.WAITING, fence=run.fence).update(
        state=RunState.RUNNING,
        fence=F("fence") + 1,
        attempts=F("attempts") + 1,
        worker=worker[:120],
        lease_until=_lease_end(),
        started_at=timezone.now(),
        finished_at=None,
        percent=0,
        activity="",
    )
    if not taken:
        return None
    run.refresh_from_db()
    return Claim(run=run, fence=run.fence)


def cancel(version: Version) -> None:
    """End what is under way; a worker notices at its next beat."""
    version.runs.filter(_LIVE).update(
        state=RunState.CANCELLED, lease_until=None, finished_at=timezone.now()
    )


def _hold(run: StepRun, code: str, detail: str) -> None:
    version = run.version
    problem = {"code": code, "detail": detail, "step": run.step}
    Version.objects.filter(pk=version.pk).update(problem=problem)
    lifecycle.record(EventKind.HELD, version=version, note=detail or code, data=problem)


def release(version: Version, *, by: User, note: str = "") -> None:
    """A person has looked: try the held step again, from the first attempt."""
    if not version.is_held:
        raise UserError(
            "stage.forbids", stage=version.get_stage_display().lower(), action="retried"
        )
    lifecycle.record(EventKind.RELEASED, version=version, by=by, note=note, data=version.problem)
    start(version)


def worker_name() -> str:
    """Host and process, so that a person knows where to look."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_gone(worker: str) -> bool:
    """Whether a worker on this very host has ended."""
    host, _, pid = worker.rpartition(":")
    return host == socket.gethostname() and pid.isdigit() and not Path("/proc", pid).exists()


def sweep(*, own_host: bool = False) -> dict[str, int]:
    """Heal what was lost: expired leases, unheard rings, stages without a run. Safe to run at any
    time and by several processes at once. Returns how many of each were mended.

    ``own_host`` says that every worker on this host is a process we can see, so that the lease of
    one that was killed need not run out first.
    """
    now = timezone.now()
    mended = {"expired": 0, "rung": 0, "followed": 0}
    for run in StepRun.objects.filter(state=RunState.RUNNING):
        expired = run.lease_until is None or run.lease_until < now
        if expired or (own_host and _is_gone(run.worker)):
            Claim(run=run, fence=run.fence).fail("worker.lost", "The worker stopped answering.")
            mended["expired"] += 1
    busy = set(StepRun.objects.filter(state=RunState.RUNNING).values_list("step", flat=True))
    for run in StepRun.objects.filter(state=RunState.WAITING, due_at__lte=now):
        patience = RING_AGAIN_BUSY if run.step in busy else RING_AGAIN
        if run.rung_at is not None and run.rung_at > now - patience:
            continue
        ring(run)
        mended["rung"] += 1
    idle = Version.objects.filter(stage__in=list(DUE), problem={}).exclude(
        runs__state__in=[RunState.WAITING, RunState.RUNNING]
    )
    for version in idle:
        with transaction.atomic():
            locked = Version.objects.select_for_update().get(pk=version.pk)
            mended["followed"] += follow(locked) is not None
    return mended


def collect(digests: Iterable[str] | None = None) -> int:
    """Remove blobs that nothing refers to; how many. Without ``digests``, all that are old enough.

    Each row is locked while its file goes, so that an upload of the same bytes waits for it.
    """
    if digests is None:
        candidates = list(
            Blob.objects.filter(created_at__lt=timezone.now() - GRACE)
            .exclude(pk__in=Artifact.objects.values("blob_id"))
            .exclude(pk__in=Preview.objects.values("full_id"))
            .exclude(pk__in=Preview.objects.values("medium_id"))
            .exclude(pk__in=Preview.objects.values("small_id"))
            .values_list("digest", flat=True)
        )
    else:
        candidates = list(digests)
    return sum(_collect_one(digest) for digest in candidates)


def _collect_one(digest: str) -> bool:
    with transaction.atomic():
        blob = Blob.objects.select_for_update().filter(pk=digest).first()
        if blob is None or _is_referred_to(blob):
            return False
        blob.delete()
        blobs.delete(digest)
    return True


def _is_referred_to(blob: Blob) -> bool:
    pictures = Q(full=blob) | Q(medium=blob) | Q(small=blob)
    return blob.artifacts.exists() or Preview.objects.filter(pictures).exists()
