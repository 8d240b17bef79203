"""Making a smoke test once more: for a base that there is now, or because a reviewer asked.

A version that is drawn again stays where it is, and nobody has to decide on it again. Which ones
lacked a base is what the database says (``SmokeTest.wants``): rows exist for the few under way and
for what became of them. New uploads go first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from registry import lifecycle, notices
from registry.engine import Progress
from registry.errors import EngineError, UserError
from registry.models import Redraw, SmokeBase, SmokeTest, StepRun, User, Version
from registry.pipeline import bases, drawing, leases, steps, variants
from registry.pipeline.drawing import Drawn
from registry.pipeline.leases import ATTEMPTS, LIVE, RING_AGAIN, RING_AGAIN_BUSY, LeaseLost
from registry.states import EventKind, RunState, Step

log = structlog.get_logger(__name__)

#: Where a version's files are settled, so that new pictures of them make sense.
STAGES = variants.STAGES
#: How many are on their way to the workers at once, however many wait.
IN_FLIGHT = 2
#: How often one is broken off for an upload before it is drawn to its end.
GIVES_WAY = 3
#: Uploads that have waited longer wait for something else, or are a thousand: we take our turn.
COURTESY = timedelta(minutes=10)


class GaveWay(Exception):
    """An upload waits for this very worker."""


def uploads_wait() -> bool:
    now = timezone.now()
    waiting = StepRun.objects.filter(state=RunState.WAITING, step=Step.SMOKE)
    return waiting.filter(due_at__lte=now, created_at__gt=now - COURTESY).exists()


def lacking(base: SmokeBase | None = None) -> QuerySet[Version]:
    """Versions that were not, or not wholly, shown for want of a base that there is now."""
    every = SmokeBase.objects.select_related("artifact__blob", "artifact__version__model")
    rows = [base] if base is not None else list(every)
    found = Version.objects.none()
    for row in filter(lambda row: bases.serves(row.artifact), rows):
        wanting = SmokeTest.objects.filter(artifact__version=OuterRef("pk"), wants=row.base)
        # With this very one it was no better.
        wanting = wanting.filter(Q(base=None) | ~Q(base=row.artifact_id))
        given_up = Redraw.objects.filter(
            version=OuterRef("pk"), state=RunState.FAILED, finished_at__gt=row.set_at
        )
        found |= Version.objects.filter(
            Exists(wanting), ~Exists(given_up), stage__in=STAGES
        ).exclude(pk=row.artifact.version_id)
    return found


def request(version: Version, *, by: User | None) -> Redraw:
    """The row that says so, waiting from its first attempt on; one that is live stays as it is.
    Called with the version locked."""
    row = Redraw.objects.select_for_update().filter(version=version).first()
    if row is not None and row.state in (RunState.WAITING, RunState.RUNNING):
        return row
    row = row or Redraw(version=version)
    row.asked_by, row.state, row.attempts, row.gave_way = by, RunState.WAITING, 0, 0
    row.due_at, row.rung_at, row.percent, row.activity = timezone.now(), None, 0, ""
    row.error_code, row.error_detail = "", ""
    row.save()
    return row


def look_after_commit() -> None:
    """There may be a base that was wanting: see whom that helps."""
    transaction.on_commit(fill)


def fill() -> int:
    """Ring for as many as may be in flight; how many that were. None while uploads wait."""
    if uploads_wait():
        return 0
    now = timezone.now()
    flying = Q(state=RunState.RUNNING) | Q(state=RunState.WAITING, rung_at__gt=now - RING_AGAIN)
    free = IN_FLIGHT - Redraw.objects.filter(flying).count()
    rung = _due(free) if free > 0 else []
    for row in rung:
        _ring(row)
    return len(rung)


def _due(limit: int) -> list[Redraw]:
    now = timezone.now()
    busy = Redraw.objects.filter(state=RunState.RUNNING).exists()
    silent = now - (RING_AGAIN_BUSY if busy else RING_AGAIN)
    waiting = Redraw.objects.filter(state=RunState.WAITING, due_at__lte=now)
    waiting = waiting.filter(Q(rung_at=None) | Q(rung_at__lte=silent))
    # What a person asked for goes first.
    found = list(waiting.order_by(F("asked_by").asc(nulls_last=True), "id")[:limit])
    if len(found) < limit:
        idle = lacking().exclude(Exists(Redraw.objects.filter(LIVE, version=OuterRef("pk"))))
        found += _made(idle.order_by("pk")[: limit - len(found)])
    return found


def _made(versions: Iterable[Version]) -> list[Redraw]:
    made = []
    for version in versions:
        try:
            with transaction.atomic():
                made.append(request(lifecycle.lock(version), by=None))
        except (IntegrityError, UserError):
            # Somebody else made it at this moment, or the version is gone.
            continue
    return made


def ring_after_commit(row: Redraw) -> None:
    transaction.on_commit(lambda: _ring(row))


def _ring(row: Redraw) -> None:
    from registry.pipeline import tasks

    leases.ring(row, tasks.redraw, queue=Step.SMOKE)


def work(pk: int, *, worker: str) -> None:
    """Take the row and draw, unless somebody else has it or an upload goes first."""
    if uploads_wait():
        # The sweeper rings as soon as the uploads are through.
        Redraw.objects.filter(pk=pk, state=RunState.WAITING).update(rung_at=None)
        return
    taken = leases.take(Redraw, pk, worker=worker)
    if taken is None:
        return
    hold = leases.Hold(run=taken, fence=taken.fence)
    try:
        _draw(hold)
    except LeaseLost:
        log.warning("redraw.lease_lost", version=taken.version_id)
    except GaveWay:
        hold.put_back(attempts=taken.attempts - 1, gave_way=taken.gave_way + 1)
    except (EngineError, UserError) as error:
        _fail(hold, error.code, error.detail)
    except Exception as error:
        log.exception("redraw.crashed", version=taken.version_id)
        _fail(hold, "engine.crashed", f"{type(error).__name__}: {error}")


def _draw(hold: leases.Hold[Redraw]) -> None:
    version = hold.run.version
    artifact = drawing.subject(version)
    if artifact is None or version.stage not in STAGES:
        hold.drop()
        return
    _finish(hold, drawing.draw(artifact, _telling(hold)))


def _telling(hold: leases.Hold[Redraw]) -> Progress:
    may_give_way = hold.run.gave_way < GIVES_WAY

    def beat(percent: int | None, activity: str) -> None:
        hold.beat(percent, activity)
        if may_give_way and uploads_wait():
            raise GaveWay

    return steps.part(beat, 0, 1)


def _finish(hold: leases.Hold[Redraw], drawn: Drawn) -> None:
    """Put the pictures in place, if the row is ours still, in one transaction."""
    row = hold.run
    with transaction.atomic():
        version = Version.objects.select_for_update().filter(pk=row.version_id).first()
        if version is None or not hold.held().exists():
            raise LeaseLost
        if version.stage not in STAGES or not version.artifacts.filter(pk=drawn.artifact.pk):
            hold.drop()
            return
        drawing.keep(version, drawn)
        if not hold.done():
            raise LeaseLost
        on = f" on {drawing.name_of(drawn.base)}" if drawn.base else ""
        lifecycle.record(
            EventKind.REDRAWN,
            version=version,
            by=row.asked_by,
            note=f"smoke test made again{on}: {drawn.verdict}. {drawn.reason}".strip(),
            data={"smoke": drawn.verdict, "base": drawn.base.blob_id if drawn.base else ""},
        )


def _fail(hold: leases.Hold[Redraw], code: str, detail: str) -> None:
    row = hold.run
    log.warning("redraw.failed", version=row.version_id, code=code, detail=detail[-500:])
    if row.attempts < ATTEMPTS:
        hold.try_again(code, detail)
    elif hold.give_up(code, detail):
        lifecycle.record(
            EventKind.HELD,
            version=row.version,
            note=f"The smoke test could not be made again: {detail or code}",
            data={"code": code, "detail": detail, "redraw": row.pk},
        )
        notices.not_made(row.version, row.asked_by, "New pictures", detail or code)


def sweep(*, own_host: bool = False) -> dict[str, int]:
    """Heal what was lost, and see that the work goes on."""
    lost = 0
    for row in Redraw.objects.filter(state=RunState.RUNNING).select_related("version"):
        if leases.is_lost(row, own_host=own_host):
            hold = leases.Hold(run=row, fence=row.fence)
            _fail(hold, "worker.lost", "The worker stopped answering.")
            lost += 1
    return {"redraws_lost": lost, "redraws_rung": fill()}
