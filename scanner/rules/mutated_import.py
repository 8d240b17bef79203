"""BUILD, SETITEM or APPEND on what cannot honestly be changed: classes, modules, storages."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global, Persistent
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "mutated-import",
    Severity.MALICIOUS,
    "The file changes an imported class, function or module in the loading process.",
)
_STORAGE = "Here: a storage's bytes."
_OTHER = "The target is no import, but no pickler writes this either."


def check(trace: Trace) -> Iterator[Finding]:
    for mutation in trace.mutations:
        if isinstance(mutation.target, Call):
            continue
        imported = isinstance(mutation.target, Global)
        # What lies outside the pickle: in torch, a tensor's raw bytes.
        outside = isinstance(mutation.target, Persistent)
        yield RULE.finding(
            trace,
            mutation.offset,
            mutation.opcode,
            target=mutation.target,
            argument=mutation.argument,
            detail="" if imported else _STORAGE if outside else _OTHER,
            severity=Severity.MALICIOUS if imported or outside else Severity.SUSPICIOUS,
        )
