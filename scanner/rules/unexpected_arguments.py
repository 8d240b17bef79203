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
    """What a name passes on has to fit the one that it calls."""
    passed = _passed(call, known)
    inner = row(passed.callee) if passed is not None else None
    if passed is None or inner is None or (inner.module, inner.name) == ("builtins", "object"):
        return None
    found = mismatch(passed, inner)
    return None if found is None else Mismatch(len(call.args) - 1, found.word, found.value)


def _passed(call: Call, known: Known) -> Call | None:
    """torch's rebuilder of types calls its first argument with the third; copyreg makes an instance
    of its first, or of its base, with what follows."""
    args = call.args
    if "rebuilder" in known.schema and isinstance(args[2], TupleValue):
        return Call(args[0], args[2].items, None, call.opcode, call.offset)
    if known.name == "__newobj__":
        return Call(args[0], args[1:], None, call.opcode, call.offset)
    if known.name == "_reconstructor":
        return Call(args[1], args[2:], None, call.opcode, call.offset)
    return None
