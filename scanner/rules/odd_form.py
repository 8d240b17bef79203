"""Forms that a real pickler never writes, and on which readers disagree."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Oddity, Trace
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "odd-form",
    Severity.SUSPICIOUS,
    "The pickle is written in a way that no pickler writes, as attacks do to mislead scanners:",
)
#: Those that have a rule of their own.
_ELSEWHERE = frozenset({"extension-code", "name-computed"})
#: Real loaders would stop here, or at least may.
UNREADABLE = frozenset({"memo-missing", "number-malformed"})


def check(trace: Trace) -> Iterator[Finding]:
    for odd in trace.oddities:
        if odd.code not in _ELSEWHERE and not is_unreadable(odd):
            yield RULE.finding(trace, odd.offset, odd.opcode, detail=f"{odd.message}.")


def is_unreadable(odd: Oddity) -> bool:
    return odd.fatal or odd.code in UNREADABLE or odd.code.startswith("limit.")
