"""BUILD, SETITEM or APPEND on what cannot honestly be changed: classes, modules, constants."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "mutated-import",
    Severity.MALICIOUS,
    "The file changes an imported class, function or module in the loading process.",
)
_OTHER = "The target is no import, but no pickler writes this either."


def check(trace: Trace) -> Iterator[Finding]:
    for mutation in trace.mutations:
        if isinstance(mutation.target, Call):
            continue
        imported = isinstance(mutation.target, Global)
        yield RULE.finding(
            trace,
            mutation.offset,
            mutation.opcode,
            target=mutation.target,
            argument=mutation.argument,
            detail="" if imported else _OTHER,
            severity=Severity.MALICIOUS if imported else Severity.SUSPICIOUS,
        )
