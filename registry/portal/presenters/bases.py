"""Which checkpoints stand for a base, which could, and what waits for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from registry import bases
from registry.models import Artifact, SmokeTest, User
from registry.pipeline import bases as pipeline
from registry.pipeline import redraws
from registry.portal.presenters import words


@dataclass(frozen=True, slots=True)
class Row:
    base: str
    name: str
    artifact: Artifact
    set_by: User | None
    set_at: datetime
    serves: bool


@dataclass(frozen=True, slots=True)
class Want:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Candidate:
    pk: int
    name: str


def view() -> dict[str, Any]:
    rows = tuple(
        Row(
            base=row.base,
            name=words.base(row.base),
            artifact=row.artifact,
            set_by=row.set_by,
            set_at=row.set_at,
            serves=pipeline.serves(row.artifact),
        )
        for row in bases.all_set()
    )
    taken = {row.artifact.pk for row in rows}
    return {
        "rows": rows,
        "wanting": tuple(_wanting()),
        "candidates": tuple(
            Candidate(file.pk, f"{words.base(pipeline.family(file))}: {file.version}")
            for file in bases.candidates()
            if file.pk not in taken
        ),
    }


def _wanting() -> Iterator[Want]:
    skipped = SmokeTest.objects.exclude(wants="").filter(
        base=None, artifact__version__stage__in=redraws.STAGES
    )
    counted = skipped.values_list("wants").annotate(count=Count("pk")).order_by("-count", "wants")
    for base, count in counted:
        yield Want(words.base(base), count)
