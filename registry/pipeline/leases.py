"""Leases and fencing tokens over any table of work.

The database is the truth and Celery the doorbell. A row is taken by one conditional UPDATE that
raises its fence; whoever holds the current fence may beat and end it, and nobody else.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from celery import Task
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from registry.models.runs import Leased
from registry.states import RunState

log = structlog.get_logger(__name__)

ATTEMPTS = 3
#: How long a failed attempt waits before the next, times the number of attempts so far.
BACK_OFF = timedelta(seconds=10)
#: Waiting work that nobody took up is rung for again after this long …
RING_AGAIN = timedelta(seconds=30)
#: … and after this long while its queue is at work: it will most likely be heard yet.
RING_AGAIN_BUSY = timedelta(minutes=10)
LIVE = Q(state__in=[RunState.WAITING, RunState.RUNNING])

Row = TypeVar("Row", bound=Leased)


class LeaseLost(Exception):
    """The work is somebody else's by now, or gone. Whatever was being done is to be dropped."""


@dataclass(slots=True)
class Hold(Generic[Row]):
    """The right to work on a row until its lease ends."""

    run: Row
    fence: int

    def held(self) -> Any:
        table = type(self.run)._default_manager
        return table.filter(pk=self.run.pk, fence=self.fence, state=RunState.RUNNING)

    def beat(self, percent: int | None = None, activity: str = "") -> None:
        """Renew the lease and say how far the work is. ``LeaseLost`` if it is not ours any more."""
        changes: dict[str, Any] = {"lease_until": lease_end()}
        if percent is not None:
            changes |= {"percent": max(0, min(100, percent)), "activity": activity[:80]}
        if not self.held().update(**changes):
            raise LeaseLost

    def done(self, **changes: Any) -> bool:
        """Whether it was still ours to be done."""
        ended = {"percent": 100, "activity": "", "error_code": "", "error_detail": ""}
        return self._end(RunState.DONE, **ended, **changes)

    def drop(self) -> None:
        """End without an outcome: what it was about went another way meanwhile."""
        self._end(RunState.CANCELLED)

    def give_up(self, code: str, detail: str) -> bool:
        return self._end(RunState.FAILED, error_code=code, error_detail=detail)

    def put_back(self, **changes: Any) -> None:
        """Let somebody take it again."""
        self.held().update(state=RunState.WAITING, lease_until=None, rung_at=None, **changes)

    def try_again(self, code: str, detail: str) -> None:
        """Put it back after a failure, to be due a little later each time."""
        due = timezone.now() + BACK_OFF * self.run.attempts
        self.put_back(error_code=code, error_detail=detail, due_at=due)

    def _end(self, state: RunState, **changes: Any) -> bool:
        now = timezone.now()
        return bool(self.held().update(state=state, lease_until=None, finished_at=now, **changes))


def lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.WEIGHHOUSE_LEASE)


def take(table: type[Row], pk: int, *, worker: str) -> Row | None:
    """Take the row if it is due and free; None if another worker was faster or it is over."""
    rows = table._default_manager
    run = rows.filter(pk=pk).first()
    if run is None or run.state != RunState.WAITING or run.due_at > timezone.now():
        return None
    taken = rows.filter(pk=pk, state=RunState.WAITING, fence=run.fence).update(
        state=RunState.RUNNING,
        fence=F("fence") + 1,
        attempts=F("attempts") + 1,
        worker=worker[:120],
        lease_until=lease_end(),
        started_at=timezone.now(),
        finished_at=None,
        percent=0,
        activity="",
    )
    if not taken:
        return None
    run.refresh_from_db()
    return run


def ring(row: Leased, task: Task[Any, Any], *, queue: str) -> None:
    """Tell the workers. A broker that is down loses nothing: the sweeper rings again."""
    type(row)._default_manager.filter(pk=row.pk).update(rung_at=timezone.now())
    try:
        task.apply_async((row.pk,), queue=queue)
    except Exception as error:
        # Whatever the transport raises: the row is there, and is rung for again.
        log.warning("broker.unreachable", task=task.name, row=row.pk, error=str(error))


def worker_name() -> str:
    """Host and process, so that a person knows where to look."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_lost(run: Leased, *, own_host: bool) -> bool:
    """Whether the one who works on it has fallen silent. ``own_host`` says that every worker on
    this host is a process we can see, so that the lease of one that was killed need not run out."""
    expired = run.lease_until is None or run.lease_until < timezone.now()
    return expired or (own_host and _is_gone(run.worker))


def _is_gone(worker: str) -> bool:
    """Whether a worker on this very host has ended."""
    host, _, pid = worker.rpartition(":")
    return host == socket.gethostname() and pid.isdigit() and not Path("/proc", pid).exists()
