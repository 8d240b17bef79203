"""A call of something that is itself the result of a call, or that is no callable."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Const, Extension, Global, Persistent, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "computed-call",
    Severity.MALICIOUS,
    "The file calls an object that another call made, not a name.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for call in trace.calls:
        severity = _severity(call.callee)
        if severity is not None:
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=call.callee,
                argument=TupleValue(call.args),
                severity=severity,
            )


def _severity(callee: Value) -> Severity | None:
    if isinstance(callee, Global):
        return None
    # What an extension code or a persistent id stands for is known to the loading process alone;
    # a constant cannot be called at all.
    if isinstance(callee, (Extension, Persistent, Const)):
        return Severity.SUSPICIOUS
    return Severity.MALICIOUS if isinstance(callee, Call) else Severity.SUSPICIOUS
