"""The rail: how far a version has come, with a fact for each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from registry.models import Event, Report, Review, SmokeTest, StepRun, Version
from registry.portal.presenters import words
from registry.states import ArtifactRole, EventKind, RunState, Stage, Step

STOPS: tuple[tuple[Stage, str], ...] = (
    (Stage.RECEIVED, "Received"),
    (Stage.INSPECTED, "Inspected"),
    (Stage.CONVERTED, "Converted"),
    (Stage.SMOKE_TESTED, "Smoke test"),
    (Stage.IN_REVIEW, "In review"),
    (Stage.PUBLISHED, "Published"),
)
_ORDER = tuple(stage for stage, _ in STOPS)
_STOP_OF_STEP = {Step.INSPECT: 1, Step.CONVERT: 2, Step.SMOKE: 3}
_ICONS = {
    "done": "check",
    "running": "dot",
    "waiting": "clock",
    "person": "dot",
    "held": "triangle",
    "refused": "square",
    "open": "",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """``state``: done, running, waiting (for a worker), person (waits for one), held, refused,
    open (not reached)."""

    name: str
    state: str
    fact: str
    percent: int | None = None

    @property
    def icon(self) -> str:
        return _ICONS[self.state]


@dataclass(frozen=True, slots=True)
class Rail:
    stops: tuple[Stop, ...]
    #: Whether to look again soon.
    under_way: bool
    #: Changes whenever more than a percentage has changed.
    mark: str
    #: The same in one sentence, for those who do not see the rail.
    summary: str
    problem: str = ""


def rail(version: Version) -> Rail:
    moves = list(version.events.filter(kind=EventKind.MOVED).select_related("actor"))
    runs = list(version.runs.all())
    live = next((run for run in reversed(runs) if run.state in _LIVE), None)
    reached = _reached(version, moves)
    stops = [
        Stop(name, "done" if index <= reached else "open", "")
        for index, (_, name) in enumerate(STOPS)
    ]
    facts = _facts(version, moves, runs, reached)
    stops = [Stop(stop.name, stop.state, fact) for stop, fact in zip(stops, facts, strict=True)]
    _place_present(version, stops, reached, live, moves)
    return Rail(
        stops=tuple(stops),
        under_way=_is_under_way(version, live),
        mark=f"{version.stage}-{live.pk if live else 0}-{'held' if version.is_held else 'free'}",
        summary=_summary(stops),
        problem=_problem(version),
    )


_LIVE = frozenset({RunState.WAITING, RunState.RUNNING})


def _is_under_way(version: Version, live: StepRun | None) -> bool:
    between = {Stage.RECEIVED, Stage.INSPECTED, Stage.CONVERTED, Stage.SMOKE_TESTED}
    return live is not None or (version.stage in between and not version.is_held)


def _reached(version: Version, moves: Sequence[Event]) -> int:
    """The last stop on the rail that the version got to; -1 for a draft."""
    stage = Stage(version.stage)
    if stage is Stage.DRAFT:
        return -1
    # From a side track (quarantined, rejected, withdrawn) the journal leads back to the rail.
    for move in moves:
        if stage in _ORDER:
            break
        if move.to == stage and move.was in Stage.values:
            stage = Stage(move.was)
    return _ORDER.index(stage) if stage in _ORDER else 0


def _place_present(
    version: Version,
    stops: list[Stop],
    reached: int,
    live: StepRun | None,
    moves: Sequence[Event],
) -> None:
    """Mark the one stop where things stand now."""
    stage = Stage(version.stage)
    by = next((move.actor for move in moves if move.to == stage and move.actor), None)
    person = f" by {by.username}" if by else ""
    if stage is Stage.DRAFT:
        stops[0] = Stop("Received", "person", "not handed in yet")
    elif stage is Stage.QUARANTINED:
        at = max(1, reached)
        stops[at] = Stop(stops[at].name, "refused", f"quarantined{person}")
    elif stage is Stage.REJECTED:
        if reached < 1 and any(move.to == Stage.QUARANTINED for move in moves):
            # What was quarantined on inspection was inspected, and got no further.
            stops[1] = Stop(stops[1].name, "refused", _joined("quarantined", _findings(version)))
        stops[4] = Stop(stops[4].name, "refused", f"rejected{person}")
    elif stage is Stage.WITHDRAWN:
        stops[5] = Stop(stops[5].name, "refused", f"withdrawn{person}")
    elif version.is_held:
        at = _STOP_OF_STEP.get(version.problem.get("step", ""), min(reached + 1, 5))
        stops[at] = Stop(stops[at].name, "held", "waiting for a person")
    elif live is not None:
        at = _STOP_OF_STEP[Step(live.step)]
        stops[at] = _working(stops[at].name, live)
    elif stage is Stage.IN_REVIEW:
        stops[4] = Stop(stops[4].name, "person", "waiting for a person")


def _working(name: str, run: StepRun) -> Stop:
    if run.state == RunState.RUNNING:
        return Stop(name, "running", run.activity or "starting", run.percent)
    if run.attempts:
        return Stop(name, "waiting", f"try {run.attempts + 1} of 3 soon")
    return Stop(name, "waiting", "waiting for a worker")


def _facts(
    version: Version, moves: Sequence[Event], runs: Sequence[StepRun], reached: int
) -> list[str]:
    facts = ["", "", "", "", "", "not yet"]
    if reached >= 0:
        facts[0] = _received(version, moves)
    if reached >= 1 or version.verdict:
        facts[1] = _joined(_took(runs, Step.INSPECT), _findings(version))
    if reached >= 2:
        facts[2] = _converted(version)
    if reached >= 3:
        facts[3] = _smoke(version, runs)
    if reached >= 5:
        facts[4] = _decided(version)
        if version.published_at:
            facts[5] = words.clock(version.published_at)
    return facts


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _took(runs: Sequence[StepRun], step: Step) -> str:
    last = next((r for r in reversed(runs) if r.step == step and r.state == RunState.DONE), None)
    return words.seconds(last.seconds) if last and last.seconds is not None else ""


def _received(version: Version, moves: Sequence[Event]) -> str:
    at = next((move.at for move in moves if move.to == Stage.RECEIVED), version.created_at)
    uploads = version.artifacts.filter(role=ArtifactRole.UPLOAD)
    total = sum(uploads.values_list("blob__size", flat=True))
    return _joined(words.clock(at), words.size(total))


def _findings(version: Version) -> str:
    uploads = version.artifacts.filter(role=ArtifactRole.UPLOAD).values("blob_id")
    found = Report.objects.filter(blob__in=uploads, policy=F("blob__policy"))
    counts = [
        sum(finding.get("severity") != "note" for finding in findings or [])
        for findings in found.values_list("data__safety__findings", flat=True)
    ]
    if not counts:
        return ""
    total = sum(counts)
    return words.counted(total, "finding") if total else "no findings"


def _converted(version: Version) -> str:
    made = version.artifacts.filter(role=ArtifactRole.CONVERTED).count()
    if made:
        return _joined("safetensors", version.precision)
    return "nothing to convert"


def _smoke(version: Version, runs: Sequence[StepRun]) -> str:
    test = SmokeTest.objects.filter(artifact__version=version).order_by("-created_at").first()
    if test is None:
        return "not possible"
    pictures = version.previews.count()
    shown = words.counted(pictures, "picture") if pictures else test.verdict
    if pictures and test.verdict != "passed":
        return words.SMOKE[test.verdict].text.lower()
    return shown if test.verdict == "skipped" else _joined(shown, _took(runs, Step.SMOKE))


def _decided(version: Version) -> str:
    last = Review.objects.filter(version=version).select_related("reviewer").first()
    return f"{last.get_decision_display().lower()} by {last.reviewer.username}" if last else ""


def _summary(stops: Sequence[Stop]) -> str:
    present = next((s for s in reversed(stops) if s.state not in {"done", "open"}), None)
    if present is None:
        done = [stop for stop in stops if stop.state == "done"]
        return f"{done[-1].name}." if done else ""
    return f"{present.name}: {present.fact}."


def _problem(version: Version) -> str:
    problem = version.problem or {}
    return str(problem.get("detail") or problem.get("code") or "")
