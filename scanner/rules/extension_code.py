"""EXT1, EXT2, EXT4: what they name depends on the loading process."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "extension-code",
    Severity.SUSPICIOUS,
    "The file names something by a copyreg code, which only the loading process can resolve.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for odd in trace.oddities:
        if odd.code == RULE.id:
            yield RULE.finding(trace, odd.offset, odd.opcode, detail=f"({odd.message})")
