"""A name that runs, imports, opens, connects or loads, asked for but not called."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Global
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "dangerous-import",
    Severity.MALICIOUS,
    "The file asks for a name that can run or load code.",
)


def check(trace: Trace) -> Iterator[Finding]:
    told = {call.callee for call in trace.calls if isinstance(call.callee, Global)}
    for use in trace.imports:
        if use.target in told:
            continue
        danger = policy.danger(use.target.module, use.target.name)
        if danger is not None:
            told.add(use.target)
            detail = f"It {danger.reason} ({danger.reference})."
            yield RULE.finding(trace, use.offset, use.opcode, target=use.target, detail=detail)
