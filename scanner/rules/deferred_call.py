"""``functools.partial`` holding something dangerous, or something that cannot be named."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global, TupleValue, Value
from scanner.report import Finding, Severity, Tier
from scanner.rules import judged
from scanner.rules.base import Rule

RULE = Rule(
    "deferred-call",
    Severity.MALICIOUS,
    "The file prepares a call for later of something that is not an ordinary class or function.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for call, callee in judged.calls(trace, RULE.id):
        if _strange(call):
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=callee,
                argument=TupleValue((*call.args, *call.states)),
            )


def _strange(call: Call) -> bool:
    """The state of a partial names its function a second time."""
    deferred = [*call.args[:1]]
    for state in call.states:
        deferred += state.items[:1] if isinstance(state, TupleValue) else [state]
    return call.spread or not deferred or any(_unnamed(value) for value in deferred)


def _unnamed(value: Value) -> bool:
    if not isinstance(value, Global):
        return True
    judged = policy.judged(value.module, value.name)
    return judged is not None or policy.tier(value.module, value.name) is Tier.DANGEROUS
