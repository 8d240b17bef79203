"""One file, read once, told in sections. A section that is not asked for costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import scanner
from scanner import policy, reading
from scanner.errors import OTHER_FILE, EngineError, FileError, LimitExceeded
from scanner.formats.anomalies import finding
from scanner.limits import Limits
from scanner.reading import Reading
from scanner.report import (
    SECTIONS,
    Finding,
    Fingerprints,
    Format,
    Hashes,
    HealthIssue,
    Identity,
    Ledger,
    Report,
    Safety,
    Tensors,
    worst,
)
from scanner.source import Source
from scanner.tensors import TensorTable

if TYPE_CHECKING:
    from scanner.health.values import Pass
    from scanner.identify.anatomy import Anatomy

#: Told the step's name, how much is done, and of how much.
Progress = Callable[[str, int, int], None]

#: The modules behind each section, and those that they need in turn.
_MODULES = {
    "safety": ("scanner.safety",),
    "identity": ("scanner.identify",),
    "health": ("scanner.identify", "scanner.health"),
    "ledger": ("scanner.identify", "scanner.ledger"),
    "hashes": ("scanner.hashes",),
    "fingerprints": ("scanner.lineage",),
    "tensors": ("scanner.listing",),
}
#: Sections that look at every value, and need numpy for it.
_VALUES = frozenset({"health", "fingerprints"})
_T = TypeVar("_T")


def prepare(only: Collection[str] = SECTIONS) -> None:
    """Import what the sections need: inside a jail it would be too late."""
    for section in only:
        for module in _MODULES[section]:
            import_module(module)
    if _VALUES & set(only):
        from scanner import weights

        weights.prepare()
        import_module("scanner.beside")


def versions() -> dict[str, str]:
    """What a report depends on beside the file."""
    return {"version": scanner.__version__, "policy": policy.VERSION}


class _Work:
    """One inspection: what fails on the way becomes a finding, never an exception."""

    def __init__(self, source: Source, limits: Limits, progress: Progress | None) -> None:
        self.source = source
        self.limits = limits
        self.progress = progress
        self.failures: list[Finding] = []

    def step(self, name: str) -> Callable[[int, int], None] | None:
        tell = self.progress
        return None if tell is None else lambda done, total: tell(name, done, total)

    def attempt(self, section: str, work: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return work()
        except LimitExceeded as error:
            self._failed("limit-reached", section, error.message)
        except FileError as error:
            self._failed("unreadable", section, error.message)
        except MemoryError:
            # The jail's own answer to that is better than half a report.
            raise
        except Exception as error:
            if isinstance(error, EngineError) and error.code == OTHER_FILE:
                raise
            print(f"{section}: {type(error).__name__}: {error}"[:500], file=sys.stderr)
            self._failed("engine-error", section, f"{type(error).__name__}: {error}"[:200])
        return otherwise

    def _failed(self, rule: str, section: str, detail: str) -> None:
        self.failures.append(finding(rule, f"{section}: {detail}".rstrip(": ")))


def inspect(
    source: Source,
    limits: Limits,
    *,
    only: Collection[str] = SECTIONS,
    progress: Progress | None = None,
    given: Hashes | None = None,
) -> Report:
    """The report of one file, without its name. Never raises on hostile input.

    ``given`` are digests that the caller has computed while the file arrived: only the CRC-32 is
    computed again, and ``EngineError("hashes.other_file")`` raised where it differs.
    """
    work = _Work(source, limits, progress)
    read: Reading | None = None
    if set(only) - {"hashes"}:
        read = work.attempt("reading", lambda: reading.read(source, limits), None)
    # First: a published digest settles what keys cannot.
    parts = _Parts(work, read)
    passing = parts.weights(only)
    hashes = _hashes(work, read, given) if "hashes" in only else None
    sha256 = hashes.sha256 if hashes else None
    identity = parts.identity(only, sha256)
    passed = passing()
    health = parts.health(identity, passed.found, sha256) if "health" in only else None
    listed = parts.listed() if "tensors" in only else None
    ledger = parts.ledger(identity, health or ()) if "ledger" in only else None
    # Last: what failed elsewhere counts as unreadable.
    safety = _safety(work, read) if "safety" in only else None
    return Report(
        size=source.size,
        format=Format.UNKNOWN if read is None else read.format,
        hashes=hashes,
        safety=safety,
        identity=identity if "identity" in only else None,
        health=health,
        ledger=ledger,
        fingerprints=passed.fingerprints,
        tensors=listed,
        scanner=versions(),
    )


def _safety(work: _Work, read: Reading | None) -> Safety:
    from scanner import safety

    judged = Safety(worst(()))
    if read is not None:
        whole = read
        judged = work.attempt("safety", lambda: safety.judge(whole, work.limits), judged)
    if not work.failures:
        return judged
    findings = (*work.failures, *judged.findings)
    return judged._replace(findings=findings, verdict=worst(findings))


class _Passed(NamedTuple):
    """What the one pass over the weights left behind, for those who asked for it."""

    found: Pass | None = None
    fingerprints: Fingerprints | None = None


class _Far:
    """How far the pass is, for another thread to tell."""

    done, total = 0, 1

    def reached(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class _Parts:
    """The sections that look at the tensors. They share one anatomy, and one pass."""

    def __init__(self, work: _Work, read: Reading | None) -> None:
        self._work = work
        self._read = read
        self._table = (read.table if read else None) or TensorTable(())
        self._shared: Anatomy | None = None

    @property
    def _anatomy(self) -> Anatomy:
        from scanner.identify.anatomy import Anatomy

        if self._shared is None:
            self._shared = Anatomy(self._table)
        return self._shared

    def identity(self, only: Collection[str], sha256: str | None) -> Identity:
        unknown, read = Identity(), self._read
        if read is None or read.table is None or not {"identity", "health", "ledger"} & set(only):
            return unknown
        from scanner.identify import identify

        format, limits = read.format, self._work.limits
        return self._work.attempt(
            "identity",
            lambda: identify(
                self._table, format=format, limits=limits, sha256=sha256, anatomy=self._anatomy
            ),
            unknown,
        )

    def weights(self, only: Collection[str]) -> Callable[[], _Passed]:
        """Every value seen once, by the sections that want to see it. Asks for the answer: the
        weights pass by beside the digests, which are the longer work, where both are wanted."""
        wanted = _VALUES & set(only)
        if not wanted:
            return _Passed
        name = "health" if "health" in wanted else "fingerprints"
        step = self._work.step(name)
        if "hashes" not in only:
            return lambda: self._work.attempt(name, lambda: self._pass(wanted, step), _Passed())
        from scanner.beside import Beside

        # Made here, so that both threads share it.
        _ = self._anatomy
        # Told when the digests have fallen silent: two voices would speak at once.
        far = _Far()
        passing = Beside(lambda: self._pass(wanted, far.reached))
        waiting = (lambda: step(far.done, far.total)) if step else None
        return lambda: self._work.attempt(name, lambda: passing.answer(waiting), _Passed())

    def _pass(self, wanted: Collection[str], step: Callable[[int, int], None] | None) -> _Passed:
        from scanner import weights

        readers: list[weights.Reader] = []
        if "health" in wanted:
            from scanner import health

            values = health.Values(big_endian=self._table.big_endian)
            readers.append(values)
        if "fingerprints" in wanted:
            from scanner import lineage

            prints = lineage.Prints(self._anatomy)
            readers.append(prints)
        unreadable = weights.read(self._table, readers, step)
        return _Passed(
            values.found(unreadable) if "health" in wanted else None,
            prints.told() if "fingerprints" in wanted else None,
        )

    def health(
        self, identity: Identity, found: Pass | None, sha256: str | None
    ) -> tuple[HealthIssue, ...]:
        from scanner import health

        return self._work.attempt(
            "health",
            lambda: health.check(self._anatomy, identity, self._work.limits, found, sha256),
            (),
        )

    def listed(self) -> Tensors | None:
        from scanner import listing

        return self._work.attempt(
            "tensors", lambda: listing.listed(self._anatomy, self._work.limits), None
        )

    def ledger(self, identity: Identity, health: tuple[HealthIssue, ...]) -> Ledger | None:
        from scanner import ledger

        if self._read is None:
            return None
        size, extents = self._work.source.size, self._read.extents
        return self._work.attempt(
            "ledger", lambda: ledger.account(size, extents, self._anatomy, identity, health), None
        )


def _hashes(work: _Work, read: Reading | None, given: Hashes | None) -> Hashes | None:
    from scanner import hashes

    # AutoV3 wants the end of the header alone; nothing else has to be read for it.
    offset = read.data_offset if read is not None else _data_offset(work.source)
    step = work.step("hashes")
    if given is None:
        return work.attempt(
            "hashes", lambda: hashes.digest(work.source, data_offset=offset, progress=step), None
        )
    return work.attempt(
        "hashes",
        lambda: hashes.checked(work.source, given, data_offset=offset, progress=step),
        None,
    )


def _data_offset(source: Source) -> int | None:
    from scanner.formats import safetensors

    return safetensors.data_offset(source)
