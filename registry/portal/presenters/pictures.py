"""The smoke test's pictures, side by side, its checks, and why there are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from registry import bases, catalogue, redraws
from registry.catalogue import Visitor
from registry.models import Artifact, Preview, Redraw, SmokeTest, User, Version
from registry.portal.presenters import words
from registry.portal.presenters.words import Badge
from registry.states import Kind, RunState, Stage

_TO_COME = frozenset({Stage.RECEIVED, Stage.INSPECTED, Stage.CONVERTED})
#: What gets the parts that it lacks from a base, and is not shown on it.
_BORROW = frozenset({Kind.CHECKPOINT, Kind.UNET, Kind.TEXT_ENCODER})
_LIVE = (RunState.WAITING, RunState.RUNNING)
#: How a check's value and limit are said; other checks say all in their sentence.
_FIGURES: Mapping[str, str] = {
    "blank": "brightness varies by {value}, {limit} or more is wanted",
    "contrast": "brightness varies by {value}, {limit} or more is wanted",
    "colour": "channels differ by {value}, {limit} or more is wanted",
    "tones": "{value} bits of tones, {limit} or more are wanted",
    "structure": "neighbouring parts are {value} alike, {limit} or more is wanted",
    "psnr": "{value} dB, {limit} or more are wanted",
    "unet": "error {value}, {limit} or less is wanted",
    "applied": "{value} of {limit} layers",
    "effect": "pictures differ by {value}, {limit} or more is wanted",
}


@dataclass(frozen=True, slots=True)
class Check:
    badge: Badge
    name: str
    message: str
    figures: str


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: ``caption`` says what it shows beside the others of its group."""

    picture: Preview
    number: int
    caption: str
    alt: str
    parameters: str

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """For a srcset, each width once: small pictures are not enlarged."""
        shown = self.picture
        widths = {
            shown.width: "full",
            shown.medium_width or shown.width: "medium",
            shown.small_width or shown.width: "small",
        }
        return tuple((size, width) for width, size in sorted(widths.items()))


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one prompt and seed."""

    prompt: str
    seed: int | None
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Redrawing:
    percent: int | None
    activity: str


@dataclass(frozen=True, slots=True)
class SmokeView:
    """``badge`` is None while there has been no test; ``waits_for`` names the base without which
    it was skipped."""

    badge: Badge | None
    reason: str
    waits_for: str
    groups: tuple[Group, ...]
    #: Checks that found something, and those that did not.
    remarks: tuple[Check, ...]
    passed: tuple[Check, ...]
    facts: str
    base: Artifact | None
    lent: bool
    sheet: SmokeTest | None
    redrawing: Redrawing | None
    redraw_problem: str
    may_redraw: bool
    may_serve: Artifact | None
    serves_as: str

    @property
    def shots(self) -> tuple[Shot, ...]:
        return tuple(shot for group in self.groups for shot in group.shots)

    @property
    def is_compared(self) -> bool:
        """Whether there is anything side by side."""
        return any(len(group.shots) > 1 for group in self.groups)


def telling(pictures: Iterable[Preview]) -> list[Preview]:
    """Those that show a model in full: neither the base without it nor half of it."""
    return [shown for shown in pictures if shown.role == "model" and shown.strength in (None, 1.0)]


def view(version: Version, user: Visitor) -> SmokeView | None:
    """None where there is nothing to say."""
    test = (
        SmokeTest.objects.filter(artifact__version=version)
        .select_related("base__version__model")
        .order_by("-created_at")
        .first()
    )
    if test is None and version.stage not in _TO_COME:
        return None
    data: Mapping[str, Any] = test.data if test else {}
    pictures = list(version.previews.order_by("group", "position"))
    redraw = Redraw.objects.filter(version=version).first()
    reviewer = isinstance(user, User) and user.is_reviewer
    checks = [_check(check) for check in data.get("checks") or ()]
    serving = bases.all_set().filter(artifact__version=version).first() if reviewer else None
    return SmokeView(
        badge=words.SMOKE.get(test.verdict, words.SMOKE["skipped"]) if test else None,
        reason=_reason(version, test),
        waits_for=words.base(test.wants) if test and not test.base_id and not pictures else "",
        groups=_groups(pictures, _through(data)),
        remarks=tuple(check for check in checks if check.badge.tone != "good"),
        passed=tuple(check for check in checks if check.badge.tone == "good"),
        facts=_facts(data, pictures),
        base=_seen(test, user),
        lent=version.kind in _BORROW,
        sheet=test if test and test.sheet_id else None,
        redrawing=_redrawing(redraw),
        redraw_problem=_problem(redraw) if reviewer else "",
        may_redraw=redraws.may_ask(version, user) and _redrawing(redraw) is None,
        may_serve=bases.candidate(version) if reviewer and serving is None else None,
        serves_as=words.base(serving.base) if serving else "",
    )


def _reason(version: Version, test: SmokeTest | None) -> str:
    if test is None:
        if version.stage == Stage.CONVERTED:
            return "The pictures are being drawn. They appear here by themselves."
        return "Pictures are drawn when the files have been inspected and converted."
    return words.visible(str(test.data.get("reason") or ""))


def _seen(test: SmokeTest | None, user: Visitor) -> Artifact | None:
    """The base, if ``user`` may know of it still."""
    if test is None or test.base is None:
        return None
    seen = catalogue.visible_versions(user).filter(pk=test.base.version_id)
    return test.base if seen.exists() else None


def _groups(pictures: Sequence[Preview], through: str) -> tuple[Group, ...]:
    groups = []
    number = 0
    for _, of_group in groupby(pictures, key=lambda picture: picture.group):
        members = list(of_group)
        shots = []
        for picture in members:
            number += 1
            shots.append(_shot(picture, number, _caption(picture, members, through)))
        first = members[0]
        groups.append(Group(words.visible(first.prompt), first.seed, tuple(shots)))
    return tuple(groups)


def _shot(picture: Preview, number: int, caption: str) -> Shot:
    prompt = words.visible(picture.prompt)
    what = f"Picture {number}" + (f", {caption}" if caption else "")
    return Shot(
        picture=picture,
        number=number,
        caption=caption,
        alt=f"{what}: {prompt}" if prompt else what,
        parameters=words.visible(str(picture.parameters.get("text") or "")),
    )


def _through(data: Mapping[str, Any]) -> str:
    """What came through a VAE, and how much of the original that is."""
    checks = data.get("checks") or ()
    found = (check.get("value") for check in checks if check.get("name") == "psnr")
    value = next(found, None)
    return "through the VAE" + (f", {value:.1f} dB" if isinstance(value, int | float) else "")


def _caption(picture: Preview, group: Sequence[Preview], through: str) -> str:
    roles = {member.role for member in group}
    if picture.role == "reference":
        return "original"
    if picture.role == "base":
        return "without"
    if "base" not in roles:
        return through if "reference" in roles else ""
    if picture.strength is None:
        return "with"
    return f"strength {picture.strength:g}"


def _check(data: Mapping[str, Any]) -> Check:
    name = str(data.get("name") or "")
    return Check(
        badge=words.SMOKE.get(str(data.get("outcome")), words.SMOKE["skipped"]),
        name=name.replace("_", " ").replace("-", " ").capitalize(),
        message=words.visible(str(data.get("message") or "")),
        figures=_figures(name, data.get("value"), data.get("threshold")),
    )


def _figures(name: str, value: object, limit: object) -> str:
    if name not in _FIGURES or not isinstance(value, int | float):
        return ""
    if not isinstance(limit, int | float):
        return ""
    return _FIGURES[name].format(value=f"{value:.3g}", limit=f"{limit:.3g}")


def _facts(data: Mapping[str, Any], pictures: Sequence[Preview]) -> str:
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


def _redrawing(row: Redraw | None) -> Redrawing | None:
    if row is None or row.state not in _LIVE:
        return None
    if row.state == RunState.WAITING:
        return Redrawing(None, "will be tried again" if row.attempts else "waiting for a worker")
    return Redrawing(row.percent, row.activity.lower() or "starting")


def _problem(row: Redraw | None) -> str:
    if row is None or row.state != RunState.FAILED:
        return ""
    return words.visible(row.error_detail or row.error_code)
