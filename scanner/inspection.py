"""One file, read once, told in sections. A section that is not asked for costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import NamedTuple, TypeVar

import scanner
from scanner import policy, reading
from scanner.errors import FileError, LimitExceeded
from scanner.formats.anomalies import finding
from scanner.limits import Limits
from scanner.reading import Reading
from scanner.report import (
    SECTIONS,
    Finding,
    Format,
    Hashes,
    HealthIssue,
    Identity,
    Ledger,
    Report,
    Safety,
    worst,
)
from scanner.source import Source
from scanner.tensors import TensorTable

#: Told the step's name, how much is done, and of how much.
Progress = Callable[[str, int, int], None]

#: The modules behind each section, and those that they need in turn.
_MODULES = {
    "safety": ("scanner.safety",),
    "identity": ("scanner.identify",),
    "health": ("scanner.identify", "scanner.health"),
    "ledger": ("scanner.identify", "scanner.ledger"),
    "hashes": ("scanner.hashes",),
}
_T = TypeVar("_T")


def prepare(only: Collection[str] = SECTIONS) -> None:
    """Import what the sections need: inside a jail it would be too late."""
    for section in only:
        for module in _MODULES[section]:
            import_module(module)
    if "health" in only:
        from scanner import health

        health.prepare()


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
) -> Report:
    """The report of one file, without its name. Never raises on hostile input."""
    work = _Work(source, limits, progress)
    read: Reading | None = None
    if set(only) - {"hashes"}:
        read = work.attempt("reading", lambda: reading.read(source, limits), None)
    # First: a published digest settles what keys cannot.
    hashes = _hashes(work, read) if "hashes" in only else None
    identity = _identity(work, read, only, hashes.sha256 if hashes else None)
    health = _health(work, read, identity) if "health" in only else None
    sections = _Sections(
        health=health,
        ledger=_ledger(work, read, identity, health or ()) if "ledger" in only else None,
        hashes=hashes,
    )
    # Last: what failed elsewhere counts as unreadable.
    safety = _safety(work, read) if "safety" in only else None
    return Report(
        size=source.size,
        format=Format.UNKNOWN if read is None else read.format,
        hashes=sections.hashes,
        safety=safety,
        identity=identity if "identity" in only else None,
        health=sections.health,
        ledger=sections.ledger,
        scanner=versions(),
    )


class _Sections(NamedTuple):
    health: tuple[HealthIssue, ...] | None
    ledger: Ledger | None
    hashes: Hashes | None


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


def _identity(
    work: _Work, read: Reading | None, only: Collection[str], sha256: str | None
) -> Identity:
    unknown = Identity()
    if read is None or read.table is None or not {"identity", "health", "ledger"} & set(only):
        return unknown
    from scanner.identify import identify

    table, format = read.table, read.format
    return work.attempt(
        "identity",
        lambda: identify(table, format=format, limits=work.limits, sha256=sha256),
        unknown,
    )


def _health(work: _Work, read: Reading | None, identity: Identity) -> tuple[HealthIssue, ...]:
    from scanner import health

    if read is None or read.table is None:
        return ()
    table, step = read.table, work.step("health")
    return work.attempt(
        "health", lambda: health.check(table, identity, work.limits, progress=step), ()
    )


def _ledger(
    work: _Work, read: Reading | None, identity: Identity, health: tuple[HealthIssue, ...]
) -> Ledger | None:
    from scanner import ledger

    if read is None:
        return None
    table, extents = read.table or TensorTable(()), read.extents
    return work.attempt(
        "ledger",
        lambda: ledger.account(work.source.size, extents, table, identity, health),
        None,
    )


def _hashes(work: _Work, read: Reading | None) -> Hashes | None:
    from scanner import hashes

    # AutoV3 wants the end of the header alone; nothing else has to be read for it.
    offset = read.data_offset if read is not None else _data_offset(work.source)
    step = work.step("hashes")
    return work.attempt(
        "hashes", lambda: hashes.digest(work.source, data_offset=offset, progress=step), None
    )


def _data_offset(source: Source) -> int | None:
    from scanner.formats import safetensors

    return safetensors.data_offset(source)
