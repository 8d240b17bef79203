"""Inspecting what is stored again, when the policy has changed.

What is left to do is what the database says: blobs whose report is not under the policy in force.
Rows exist for the few that are under way and for those that are done, so ten thousand blobs make no
storm; whoever finishes one makes the next. New uploads go first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from registry import lifecycle, notices, policies, reports
from registry.errors import EngineError, UserError
from registry.models import Artifact, Blob, Policy, Reinspection, Report, StepRun, User, Version
from registry.pipeline import leases, steps, verdicts
from registry.pipeline.leases import ATTEMPTS, LIVE, RING_AGAIN, RING_AGAIN_BUSY, LeaseLost
from registry.states import EventKind, RunState, Stage, Step

log = structlog.get_logger(__name__)

#: How many are on their way to the workers at once, however many wait.
IN_FLIGHT = 4
#: How often one file is broken off for uploads before it is read through.
GIVES_WAY = 3
#: Uploads that have waited longer wait for something else, or are a thousand: we take our turn.
COURTESY = timedelta(minutes=10)
_BEFORE_US = (Step.INSPECT, Step.CONVERT)


class GaveWay(Exception):
    """An upload waits for this very worker."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the policy in force has come. ``total``: files in use that were ever inspected."""

    policy: str
    since: datetime | None
    total: int
    left: int
    running: int
    failed: int
    worse: int
    better: int

    @property
    def done(self) -> int:
        return self.total - self.left - self.failed

    @property
    def under_way(self) -> bool:
        return self.left > 0

    @property
    def percent(self) -> int:
        """Rounded down: 100 is said only of what is done."""
        return 100 * (self.total - self.left) // self.total if self.total else 100


def announce(policy: str) -> bool:
    """The engine says that it judges by ``policy``: from now on that one is in force. Whether that
    is a change, after which every file is due again."""
    with transaction.atomic():
        if not policies.put_in_force(policy):
            return False
        # Of other rounds; a worker that is at one of them finds out when it ends.
        Reinspection.objects.exclude(state=RunState.RUNNING).delete()
    log.info("policy.in_force", policy=policy, files=stale(policy).count())
    return True


def _in_use() -> QuerySet[Blob]:
    """Files that were inspected once and that some version bears."""
    bearing = Artifact.objects.filter(blob=OuterRef("pk"))
    return Blob.objects.exclude(policy="").filter(Exists(bearing))


def stale(policy: str) -> QuerySet[Blob]:
    """Files in use whose report is under another policy."""
    return _in_use().exclude(policy=policy)


def progress() -> Progress:
    newest = Policy.objects.first()
    policy = newest.name if newest else ""
    rows = Reinspection.objects.filter(policy=policy)
    given_up = rows.filter(blob=OuterRef("pk"), state=RunState.FAILED)
    pending = rows.filter(LIVE, blob=OuterRef("pk"))
    left = _in_use().filter((~Q(policy=policy) & ~Exists(given_up)) | Exists(pending))
    changed = rows.filter(state=RunState.DONE).order_by().values_list("was", "became")
    steps_down, steps_up = 0, 0
    for was, became, count in changed.annotate(count=Count("pk")):
        steps_down += count if reports.rank(became) > reports.rank(was) else 0
        steps_up += count if reports.rank(became) < reports.rank(was) else 0
    return Progress(
        policy=policy,
        since=newest.in_force_since if newest else None,
        total=_in_use().count() if policy else 0,
        left=left.count() if policy else 0,
        running=rows.filter(state=RunState.RUNNING).count(),
        failed=failed(policy).count(),
        worse=steps_down,
        better=steps_up,
    )


def failed(policy: str) -> QuerySet[Reinspection]:
    """What could not be inspected again, and waits for a person; the old verdict stands."""
    rows = Reinspection.objects.filter(policy=policy, state=RunState.FAILED)
    return rows.exclude(blob__policy=policy, anew=False).select_related("blob")


def of_blobs(digests: Iterable[str] | QuerySet[Any, Any]) -> QuerySet[Reinspection]:
    """What is under way, or failed, of these blobs under the policy in force."""
    states = [RunState.WAITING, RunState.RUNNING, RunState.FAILED]
    rows = Reinspection.objects.filter(policy=policies.in_force(), blob__in=digests)
    return rows.filter(state__in=states)


def state_of(version: Version) -> str:
    """none, due, running or failed."""
    judged = version.artifacts.exclude(blob__policy="")
    policy = policies.in_force()
    states = set(of_blobs(judged.values("blob")).values_list("state", flat=True))
    if RunState.RUNNING in states:
        return "running"
    if RunState.FAILED in states:
        return "failed"
    stale = policy and judged.exclude(blob__policy=policy).exists()
    return "due" if stale or RunState.WAITING in states else "none"


def due(limit: int, *, patient: bool = True) -> list[Reinspection]:
    """Up to ``limit`` rows that somebody should take up now; made where there is none yet.
    ``patient``: not those that were rung for a moment ago."""
    policy = policies.in_force()
    if not policy or limit <= 0:
        return []
    now = timezone.now()
    waiting = Reinspection.objects.filter(policy=policy, state=RunState.WAITING, due_at__lte=now)
    if patient:
        busy = Reinspection.objects.filter(state=RunState.RUNNING).exists()
        silent = now - (RING_AGAIN_BUSY if busy else RING_AGAIN)
        waiting = waiting.filter(Q(rung_at=None) | Q(rung_at__lte=silent))
    found = list(waiting.order_by("id")[:limit])
    if len(found) < limit:
        found += _made(policy, limit - len(found))
    return found


def _made(policy: str, limit: int) -> list[Reinspection]:
    """Rows for the next files of the round: those that are being served first."""
    had = Reinspection.objects.filter(blob=OuterRef("pk"), policy=policy)
    served = Artifact.objects.filter(blob=OuterRef("pk"), version__stage=Stage.PUBLISHED)
    blobs = stale(policy).exclude(Exists(had)).annotate(served=Exists(served))
    digests = list(blobs.order_by("-served", "created_at").values_list("pk", flat=True)[:limit])
    rows = [Reinspection(blob_id=digest, policy=policy) for digest in digests]
    try:
        with transaction.atomic():
            # Another worker may choose the same ones at this moment: one row each remains.
            Reinspection.objects.bulk_create(rows, ignore_conflicts=True)
    except IntegrityError:
        # One of them was deleted since we looked.
        return []
    made = Reinspection.objects.filter(policy=policy, blob__in=digests, state=RunState.WAITING)
    return list(made.filter(rung_at=None))


def fill() -> int:
    """Ring for as many as may be in flight; how many that were. None while uploads wait."""
    if uploads_wait():
        return 0
    policy = policies.in_force()
    live = Reinspection.objects.filter(LIVE, policy=policy)
    flying = live.filter(Q(state=RunState.RUNNING) | Q(rung_at__gt=timezone.now() - RING_AGAIN))
    rung = due(IN_FLIGHT - flying.count())
    for run in rung:
        _ring(run)
    return len(rung)


def uploads_wait() -> bool:
    """Whether somebody's upload waits for a worker of the kind that we use."""
    now = timezone.now()
    waiting = StepRun.objects.filter(state=RunState.WAITING, step__in=_BEFORE_US)
    return waiting.filter(due_at__lte=now, created_at__gt=now - COURTESY).exists()


def _ring(run: Reinspection) -> None:
    from registry.pipeline import tasks

    leases.ring(run, tasks.reinspect, queue=Step.INSPECT)


def work(pk: int, *, worker: str, gives_way: bool = True) -> None:
    """Take the row and inspect its file, unless somebody else has it or an upload goes first."""
    run = Reinspection.objects.filter(pk=pk).first()
    if run is None or (gives_way and uploads_wait()):
        # The sweeper rings as soon as the uploads are through.
        Reinspection.objects.filter(pk=pk, state=RunState.WAITING).update(rung_at=None)
        return
    if not steps.judges_by(run.policy):
        # An engine of another version, during an upgrade: it leaves this to the new one.
        return
    taken = leases.take(Reinspection, pk, worker=worker)
    if taken is None:
        return
    hold = leases.Hold(run=taken, fence=taken.fence)
    try:
        _inspect(hold, gives_way=gives_way and taken.gave_way < GIVES_WAY)
    except LeaseLost:
        log.warning("reinspection.lease_lost", sha256=run.blob_id)
    except GaveWay:
        hold.put_back(attempts=taken.attempts - 1, gave_way=taken.gave_way + 1)
    except EngineError as error:
        _fail(hold, error.code, error.detail)
    except UserError as error:
        # Such as a full disk.
        _fail(hold, error.code, error.detail)
    except Exception as error:
        log.exception("reinspection.crashed", sha256=run.blob_id)
        _fail(hold, "engine.crashed", f"{type(error).__name__}: {error}")


def _inspect(hold: leases.Hold[Reinspection], *, gives_way: bool) -> None:
    run, blob = hold.run, hold.run.blob
    report = None if run.anew else Report.objects.filter(blob=blob, policy=run.policy).first()
    if report is not None:
        # Made when this policy was in force before.
        _finish(hold, report.data, seconds=report.seconds)
        return

    def beat(done: int, total: int, what: str) -> None:
        hold.beat(int(100 * min(done / total, 1.0)) if total else None, what)
        if gives_way and uploads_wait():
            raise GaveWay

    answer = steps.inspected(blob, beat)
    if answer.data["scanner"]["policy"] != run.policy:
        raise EngineError("engine.other_policy", "the engine was exchanged meanwhile")
    _finish(hold, answer.data, seconds=answer.seconds)


def _finish(hold: leases.Hold[Reinspection], data: dict[str, Any], *, seconds: float) -> None:
    """Write the report and what follows from it, in one transaction, if the row is ours still."""
    run = hold.run
    with transaction.atomic():
        blob, _ = verdicts.lock(run.blob_id)
        if blob is None:
            raise LeaseLost
        if run.policy != policies.in_force():
            hold.drop()
            return
        if not hold.done(was=blob.verdict, became=data["safety"]["verdict"]):
            raise LeaseLost
        change = verdicts.accept(blob, data, seconds=seconds)
    if change is not None and change.worse:
        log.warning(
            "reinspection.worse", sha256=blob.digest, was=change.was, now=change.now,
            policy=run.policy,
        )  # fmt: skip


def _fail(hold: leases.Hold[Reinspection], code: str, detail: str) -> None:
    """One attempt failed, which says nothing about the file: its verdict stands."""
    log.warning("reinspection.failed", sha256=hold.run.blob_id, code=code, detail=detail[-500:])
    if hold.run.attempts < ATTEMPTS:
        hold.try_again(code, detail)
        return
    with transaction.atomic():
        if not hold.give_up(code, detail):
            return
        bearing = Artifact.objects.filter(blob=hold.run.blob_id).select_related("version__model")
        if artifact := bearing.first():
            notices.stuck(artifact.version, f"{artifact.name}: {detail or code}")


def request(digests: Iterable[str]) -> int:
    """Have files inspected anew, whatever reports there are; how many that will be."""
    policy = policies.in_force()
    wanted = list(_in_use().filter(pk__in=digests).values_list("pk", flat=True))
    rows = (Reinspection(blob_id=digest, policy=policy) for digest in wanted)
    Reinspection.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    ended = Reinspection.objects.filter(policy=policy, blob__in=wanted).exclude(
        state=RunState.RUNNING
    )
    return _start_over(ended, anew=True)


def retry(*, by: User | None) -> int:
    """A person has looked: try again what failed; how many."""
    if by is not None and not by.is_reviewer:
        raise UserError("access.denied")
    policy = policies.in_force()
    count = _start_over(Reinspection.objects.filter(pk__in=failed(policy).values("pk")))
    if count:
        note = f"{count} to be inspected again under policy {policy}"
        lifecycle.record(EventKind.RELEASED, by=by, subject="Re-inspection", note=note)
    return count


def _start_over(rows: QuerySet[Reinspection], **changes: Any) -> int:
    return rows.update(
        state=RunState.WAITING, attempts=0, gave_way=0, rung_at=None, due_at=timezone.now(),
        error_code="", error_detail="", **changes,
    )  # fmt: skip


def sweep(*, own_host: bool = False) -> dict[str, int]:
    """Heal what was lost, and see that the work goes on."""
    lost = 0
    for run in Reinspection.objects.filter(state=RunState.RUNNING):
        if leases.is_lost(run, own_host=own_host):
            hold = leases.Hold(run=run, fence=run.fence)
            _fail(hold, "worker.lost", "The worker stopped answering.")
            lost += 1
    return {"lost": lost, "rung": fill()}
