"""The smoke test's pictures and checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.models import Preview, SmokeTest, Version
from registry.portal.presenters import words
from registry.portal.presenters.words import Badge


@dataclass(frozen=True, slots=True)
class Check:
    badge: Badge
    name: str
    message: str
    figures: str


@dataclass(frozen=True, slots=True)
class SmokeView:
    badge: Badge
    reason: str
    pictures: tuple[Preview, ...]
    checks: tuple[Check, ...]
    facts: str


def view(version: Version) -> SmokeView | None:
    """None while there has been no smoke test."""
    test = SmokeTest.objects.filter(artifact__version=version).order_by("-created_at").first()
    if test is None:
        return None
    pictures = tuple(version.previews.all())
    return SmokeView(
        badge=words.SMOKE.get(test.verdict, words.SMOKE["skipped"]),
        reason=words.visible(str(test.data.get("reason") or "")),
        pictures=pictures,
        checks=tuple(_check(check) for check in test.data.get("checks") or ()),
        facts=_facts(test.data, pictures),
    )


def _check(data: Mapping[str, Any]) -> Check:
    value, threshold = data.get("value"), data.get("threshold")
    figures = f"{value:.4g}" if isinstance(value, int | float) else ""
    if figures and isinstance(threshold, int | float):
        figures += f" (limit {threshold:.4g})"
    return Check(
        badge=words.SMOKE.get(str(data.get("outcome")), words.SMOKE["skipped"]),
        name=str(data.get("name") or "").replace("_", " ").replace("-", " ").capitalize(),
        message=words.visible(str(data.get("message") or "")),
        figures=figures,
    )


def _facts(data: Mapping[str, Any], pictures: tuple[Preview, ...]) -> str:
    parts = []
    if pictures:
        parts.append(f"{pictures[0].width} by {pictures[0].height}")
    steps = {image.get("steps") for image in data.get("images") or ()} - {None}
    if len(steps) == 1:
        parts.append(f"{steps.pop()} steps")
    if data.get("device"):
        parts.append(f"on {str(data['device']).upper()}")
    if isinstance(data.get("seconds"), int | float):
        parts.append(words.seconds(data["seconds"]))
    return ", ".join(parts)
