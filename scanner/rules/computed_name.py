"""STACK_GLOBAL with a name that is made while loading, or that is no text at all."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.machine import COMPUTED
from scanner.opcodes.trace import Trace
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "computed-name",
    Severity.MALICIOUS,
    "The name to import is made while the file is loaded, which hides it from a reader.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for use in trace.imports:
        if COMPUTED in (use.target.module, use.target.name):
            yield RULE.finding(trace, use.offset, use.opcode, target=use.target)
