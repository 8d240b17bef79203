"""New pictures of a version, for a reviewer who asks."""

from __future__ import annotations

from django.db import transaction

from registry import lifecycle
from registry.catalogue import Visitor
from registry.errors import UserError
from registry.models import Redraw, User, Version
from registry.pipeline import drawing
from registry.pipeline import redraws as pipeline
from registry.states import EventKind, RunState


def may_ask(version: Version, user: Visitor) -> bool:
    return isinstance(user, User) and user.is_reviewer and version.stage in pipeline.STAGES


def ask(version: Version, *, by: User) -> Redraw:
    """Have the smoke test made once more; its version stays where it is. One that is under way is
    answered with the row that there is.

    ``UserError``: "access.denied", "stage.forbids", "smoke.nothing"
    """
    if not by.is_reviewer:
        raise UserError("access.denied")
    with transaction.atomic():
        version = lifecycle.lock(version)
        if version.stage not in pipeline.STAGES:
            stage = version.get_stage_display().lower()
            raise UserError("stage.forbids", stage=stage, action="drawn again")
        if drawing.subject(version) is None:
            raise UserError("smoke.nothing")
        before = Redraw.objects.filter(version=version).first()
        live = before is not None and before.state in (RunState.WAITING, RunState.RUNNING)
        row = pipeline.request(version, by=by)
        if not live:
            lifecycle.record(EventKind.REDRAWN, version=version, by=by, note="asked for")
            pipeline.ring_after_commit(row)
    return row
