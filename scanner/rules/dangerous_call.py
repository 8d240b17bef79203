"""A call of a name that runs, imports, opens, connects or loads."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Global, TupleValue
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule("dangerous-call", Severity.MALICIOUS, "Loading the file would run this call.")


def check(trace: Trace) -> Iterator[Finding]:
    for call in trace.calls:
        if not isinstance(call.callee, Global):
            continue
        danger = policy.danger_of_call(call.callee.module, call.callee.name)
        if danger is not None:
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=call.callee,
                argument=TupleValue(call.args),
                detail=f"The name {danger.reason} ({danger.reference}).",
            )
