"""A known-good name that is called as genuine files never call it."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, TupleValue
from scanner.policy import Known, Role
from scanner.report import Finding, Severity
from scanner.rules import trampoline
from scanner.rules.arguments import Mismatch, mismatch, row
from scanner.rules.base import Rule

RULE = Rule(
    "unexpected-arguments",
    Severity.SUSPICIOUS,
    "A known name is called with arguments that genuine files do not pass to it.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for call in trace.calls:
        known = row(call.callee)
        if known is None:
            continue
        found = _misuse(call, known)
        if found is not None and not trampoline.is_one(found):
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=call.callee,
                argument=TupleValue(call.args),
                detail=f"Argument {found.position + 1} is not: {found.word}.",
            )


def _misuse(call: Call, known: Known) -> Mismatch | None:
    if known.role is Role.CONSTANT:
        return Mismatch(0, "called", None)
    return mismatch(call, known) or _inner(call, known)


def _inner(call: Call, known: Known) -> Mismatch | None:
    """What a rebuilder of types passes on has to fit the one that it calls."""
    if "rebuilder" not in known.schema or not isinstance(call.args[2], TupleValue):
        return None
    inner = row(call.args[0])
    passed = Call(call.args[0], call.args[2].items, None, call.opcode, call.offset)
    found = mismatch(passed, inner) if inner is not None else None
    return None if found is None else Mismatch(2, f"{found.word} for {call.args[0]}", found.value)
