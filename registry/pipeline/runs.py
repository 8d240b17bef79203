"""The runs of a version: which step is due, how it is claimed, ended, and mended when lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from registry import blobs, lifecycle, notices
from registry.errors import UserError
from registry.models import Artifact, Blob, Preview, SmokeTest, StepRun, User, Version
from registry.pipeline import leases
from registry.pipeline.leases import ATTEMPTS, LIVE, RING_AGAIN, RING_AGAIN_BUSY, LeaseLost
from registry.states import EventKind, RunState, Stage, Step

log = structlog.get_logger(__name__)

#: Unreferenced blobs younger than this may be about to get their artifact.
GRACE = timedelta(hours=1)

#: Which step a version in this stage waits for.
DUE: Mapping[str, Step] = {
    Stage.RECEIVED: Step.INSPECT,
    Stage.INSPECTED: Step.CONVERT,
    Stage.CONVERTED: Step.SMOKE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found out: the stages to move through, and rows to write with the first move."""

    stages: tuple[Stage, ...]
    note: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    commit: Callable[[], None] | None = None


class Claim(leases.Hold[StepRun]):
    """The right to work on a run until its lease ends."""

    __slots__ = ()

    def _version(self) -> Version | None:
        """Locked, and before the run: a person who moves it takes the two in the same order."""
        return Version.objects.select_for_update().filter(pk=self.run.version_id).first()

    def finish(self, outcome: Outcome) -> None:
        """Write the outcome and go on with the next step, in one transaction."""
        with transaction.atomic():
            version = self._version()
            if version is None or not self.done():
                raise LeaseLost
            if outcome.commit:
                outcome.commit()
            for stage in outcome.stages:
                lifecycle.move(version, stage, note=outcome.note, data=outcome.data)
            follow(version)

    def fail(self, code: str, detail: str, *, final: bool = False) -> None:
        """One attempt failed. After the last one, or if it is ``final``, a person is asked."""
        with transaction.atomic():
            self._version()
            if not final and self.run.attempts < ATTEMPTS:
                self.try_again(code, detail)
            elif self.give_up(code, detail):
                _hold(self.run, code, detail)


def start(version: Version) -> StepRun | None:
    """Make the run that ``version``'s stage waits for, and ring for it after the commit."""
    Version.objects.filter(pk=version.pk).update(problem={})
    version.problem = {}
    return follow(version)


def follow(version: Version) -> StepRun | None:
    """The next run of ``version``, if its stage waits for one and none is live."""
    step = DUE.get(version.stage)
    if step is None or version.runs.filter(LIVE).exists():
        return None
    run = StepRun.objects.create(version=version, step=step)
    ring_after_commit(run)
    return run


def ring_after_commit(run: StepRun) -> None:
    transaction.on_commit(lambda: ring(run))


def ring(run: StepRun) -> None:
    from registry.pipeline import tasks

    leases.ring(run, tasks.work, queue=run.step)


def claim(pk: int, *, worker: str) -> Claim | None:
    """Take the run if it is due and free; None if another worker was faster or it is over."""
    run = leases.take(StepRun, pk, worker=worker)
    return Claim(run=run, fence=run.fence) if run else None


def cancel(version: Version) -> None:
    """End what is under way; a worker notices at its next beat."""
    version.runs.filter(LIVE).update(
        state=RunState.CANCELLED, lease_until=None, finished_at=timezone.now()
    )


def _hold(run: StepRun, code: str, detail: str) -> None:
    version = run.version
    problem = {"code": code, "detail": detail, "step": run.step}
    Version.objects.filter(pk=version.pk).update(problem=problem)
    lifecycle.record(EventKind.HELD, version=version, note=detail or code, data=problem)
    notices.held(version, detail or code)


def release(version: Version, *, by: User, note: str = "") -> None:
    """A person has looked: try the held step again, from the first attempt."""
    if not version.is_held:
        raise UserError(
            "stage.forbids", stage=version.get_stage_display().lower(), action="retried"
        )
    lifecycle.record(EventKind.RELEASED, version=version, by=by, note=note, data=version.problem)
    start(version)


def sweep(*, own_host: bool = False) -> dict[str, int]:
    """Heal what was lost: expired leases, unheard rings, stages without a run. Safe to run at any
    time and by several processes at once. Returns how many of each were mended.

    ``own_host``: see ``leases.is_lost``.
    """
    now = timezone.now()
    mended = {"expired": 0, "rung": 0, "followed": 0}
    for run in StepRun.objects.filter(state=RunState.RUNNING):
        if leases.is_lost(run, own_host=own_host):
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
            .exclude(pk__in=SmokeTest.objects.exclude(sheet=None).values("sheet_id"))
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
    if blob.artifacts.exists() or Preview.objects.filter(pictures).exists():
        return True
    return SmokeTest.objects.filter(sheet=blob).exists()
