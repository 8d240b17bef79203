"""What a smoke test says: checks with figures, the pictures, one verdict.

Measured and judged apart: a check knows its value and its threshold, the verdict is the worst of
the outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NamedTuple

from scanner.report import Json

Progress = Callable[[int, int], None]


class Outcome(StrEnum):
    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the model or its pictures. ``value`` and ``threshold`` share a unit."""

    name: str
    outcome: Outcome
    message: str
    value: float | None = None
    threshold: float | None = None

    def json(self) -> dict[str, Json]:
        return {**asdict(self), "outcome": self.outcome.value}


class Needs(NamedTuple):
    """What a base model would have to bring for this one to be shown: its base, and the parts that
    are missing (none for an add-on, which needs all of it)."""

    base: str | None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One preview file. ``file`` is relative to the output folder, sizes are in pixels. ``role``
    says what it shows: the ``model``, the ``base`` without the add-on, or the ``reference`` that a
    VAE was given. Pictures of one ``group`` belong side by side."""

    file: str
    size: str
    width: int
    height: int
    seed: int
    prompt: str
    steps: int
    guidance: float
    parameters: str
    role: str = "model"
    strength: float | None = None
    group: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """``code`` and ``reason`` say why a test was skipped or could not go on; a code is stable."""

    verdict: Outcome
    checks: tuple[Check, ...] = ()
    images: tuple[Picture, ...] = ()
    device: str | None = None
    seconds: float = 0.0
    #: Bytes: of the GPU where one was used, of the process otherwise.
    peak_memory: int | None = None
    code: str | None = None
    reason: str | None = None
    #: Layers of the sandbox that held.
    sandbox: tuple[str, ...] = ()
    needs: Needs | None = None


def named(names: Sequence[str], most: int = 5) -> str:
    """The first few names in a sentence, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def verdict(checks: tuple[Check, ...]) -> Outcome:
    """Failed beats warned beats passed; checks that were skipped do not count."""
    outcomes = {check.outcome for check in checks}
    for worst in (Outcome.FAILED, Outcome.WARNED):
        if worst in outcomes:
            return worst
    return Outcome.PASSED


def skipped(code: str, reason: str, needs: Needs | None = None) -> Result:
    return Result(Outcome.SKIPPED, code=code, reason=reason, needs=needs)


def failed(code: str, reason: str, checks: tuple[Check, ...] = ()) -> Result:
    return Result(Outcome.FAILED, checks, code=code, reason=reason)


def to_json(result: Result) -> dict[str, Json]:
    """As in the contract of ``python -m scanner smoke --json``; what is not known is left out."""
    body: dict[str, Json] = {
        "verdict": result.verdict.value,
        "checks": [check.json() for check in result.checks],
        "images": [asdict(picture) for picture in result.images],
        "device": result.device,
        "seconds": round(result.seconds, 2),
    }
    if result.peak_memory is not None:
        body["peak_memory"] = result.peak_memory
    if result.sandbox:
        body["sandbox"] = list(result.sandbox)
    if result.reason is not None:
        body["code"] = result.code
        body["reason"] = result.reason
    if result.needs is not None:
        body["needs"] = {"base": result.needs.base, "parts": list(result.needs.parts)}
    return body
