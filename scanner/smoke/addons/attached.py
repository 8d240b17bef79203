"""What every kind of add-on can do once it was fitted to a base model."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from scanner.smoke.outcome import Check, Outcome, Result, failed, named

#: Most names in a message: a reviewer wants to see which, not all.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Fit:
    """How much of a file found its place: names of tensors. ``misfit`` have a place, and the wrong
    shape for it."""

    applied: tuple[str, ...]
    unmatched: tuple[str, ...] = ()
    misfit: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return len(self.applied) + len(self.unmatched) + len(self.misfit)


class Attached(Protocol):
    """An add-on fitted to a base model."""

    fit: Fit

    def at(self, strength: float) -> AbstractContextManager[None]:
        """The base model is changed for as long as the context lasts, and exactly what it was
        before once it ends."""
        ...

    def words(self, prompt: str) -> str:
        """The prompt as the pipeline is given it while the context lasts."""
        ...


def applied_check(fit: Fit) -> Check:
    """Fails only where nothing at all could be applied."""
    lost = [
        f"{len(names)} {why} ({named(names, _NAMED)})"
        for names, why in ((fit.unmatched, "match nothing in the base model"),
                           (fit.misfit, "have the wrong shape for it"))
        if names
    ]  # fmt: skip
    if not lost:
        outcome, message = Outcome.PASSED, "Every tensor was applied."
    else:
        outcome = Outcome.WARNED if fit.applied else Outcome.FAILED
        message = f"{len(fit.applied)} of {fit.total} tensors were applied; {'; '.join(lost)}."
    return Check("applied", outcome, message, float(len(fit.applied)), float(fit.total))


def not_applied(fit: Fit, checks: tuple[Check, ...]) -> Result | None:
    """The failed result where nothing of the file fits the base model."""
    if fit.applied:
        return None
    code = "smoke.wrong_base" if fit.misfit else "smoke.not_applied"
    return failed(code, applied_check(fit).message, checks)
