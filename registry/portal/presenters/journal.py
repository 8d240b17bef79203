"""The journal of a version, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.models import Event, Version
from registry.portal.presenters import words
from registry.states import EventKind, Stage

_ABOUT_A_FILE = {EventKind.UPLOADED, EventKind.DELETED, EventKind.EVIDENCE, EventKind.VARIANT}


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    who: str
    what: str
    note: str


def lines(version: Version, limit: int = 100) -> tuple[Line, ...]:
    """Newest first."""
    return tuple(_line(event) for event in version.events.select_related("actor")[:limit])


def _line(event: Event) -> Line:
    note = event.note
    if event.kind == EventKind.MOVED:
        what = Stage(event.to).label if event.to in Stage.values else event.to
    elif event.kind in _ABOUT_A_FILE:
        what, note = f"{EventKind(event.kind).label}: {event.note}", ""
    else:
        what = EventKind(event.kind).label
    return Line(
        at=event.at,
        who=event.actor.username if event.actor else "Weighhouse",
        what=words.visible(what),
        note=words.visible(note),
    )
