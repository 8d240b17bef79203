"""A pickle that could not be read to its end, or only beyond a limit."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.report import Finding, Severity
from scanner.rules.base import Rule
from scanner.rules.odd_form import is_unreadable

RULE = Rule(
    "broken-pickle",
    Severity.UNREADABLE,
    "The pickle cannot be read as a whole:",
)


def check(trace: Trace) -> Iterator[Finding]:
    for odd in trace.oddities:
        if is_unreadable(odd):
            yield RULE.finding(trace, odd.offset, odd.opcode, detail=f"{odd.message} ({odd.code}).")
