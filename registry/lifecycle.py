"""The only writer of a stage. Every move is checked, raced by the database, journalled, and
told to those whom it concerns."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from registry import notices
from registry.errors import UserError
from registry.models import Event, Model, User, Version
from registry.states import EventKind, Stage, allowed

_ACTION = {
    Stage.RECEIVED: "handed in",
    Stage.PUBLISHED: "published",
    Stage.REJECTED: "rejected",
    Stage.WITHDRAWN: "withdrawn",
    Stage.QUARANTINED: "quarantined",
    Stage.DRAFT: "returned to its uploader",
}


def lock(version: Version) -> Version:
    """The version's row as it is now, locked until the transaction ends. It is the first lock that
    a use case takes, then come runs, then blobs: two of them never wait for each other crosswise.
    """
    row = Version.objects.select_for_update().filter(pk=version.pk).first()
    if row is None:
        raise UserError("not_found")
    return row


def move(
    version: Version,
    to: Stage,
    *,
    by: User | None = None,
    note: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Move ``version`` from the stage it is believed to be in to ``to``.

    ``UserError("stage.forbids")`` if there is no such move, ``UserError("stage.changed")`` if
    somebody moved it first. ``by`` is None for the pipeline.
    """
    was = Stage(version.stage)
    if not allowed(was, to):
        raise UserError(
            "stage.forbids", stage=was.label.lower(), action=_ACTION.get(to, to.label.lower())
        )
    now = timezone.now()
    # What held it was about the stage that it leaves.
    changes: dict[str, Any] = {"stage": to, "stage_since": now, "problem": {}}
    if to is Stage.PUBLISHED:
        changes["published_at"] = now
    with transaction.atomic():
        moved = Version.objects.filter(pk=version.pk, stage=was).update(**changes)
        if not moved:
            version.refresh_from_db()
            raise UserError("stage.changed", stage=version.get_stage_display().lower())
        record(EventKind.MOVED, version=version, by=by, was=was, to=to, note=note, data=data)
        notices.moved(version, was=was, to=to, by=by, note=note)
    for name, value in changes.items():
        setattr(version, name, value)


def record(
    kind: EventKind,
    *,
    version: Version | None = None,
    model: Model | None = None,
    by: User | None = None,
    subject: str = "",
    was: str = "",
    to: str = "",
    note: str = "",
    data: dict[str, Any] | None = None,
) -> Event:
    """Write one line into the journal."""
    about = model or (version.model if version else None)
    return Event.objects.create(
        kind=kind,
        model=about,
        version=version,
        subject=(subject or str(version or about or ""))[:255],
        actor=by,
        was=was,
        to=to,
        note=note,
        data=data or {},
    )
