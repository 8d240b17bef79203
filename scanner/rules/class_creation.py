"""A class made while loading: ``type`` with a name, bases and a namespace."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules.base import Rule

RULE = Rule(
    "class-creation",
    Severity.MALICIOUS,
    "The file makes a class of its own, whose methods are what it says.",
)
_MAKERS = frozenset({"__newobj__", "__newobj_ex__", "_reconstructor"})


def check(trace: Trace) -> Iterator[Finding]:
    for call in trace.calls:
        callee = call.callee
        # What is no name is left to computed-call.
        if isinstance(callee, Global) and (_makes(call) or _made_through(callee, call)):
            yield RULE.finding(
                trace, call.offset, call.opcode, target=callee, argument=TupleValue(call.args)
            )


def _makes(call: Call) -> bool:
    """One argument asks for a value's type; three make a type."""
    return _is_type(call.callee) and (call.spread or len(call.args) > 1)


def _made_through(callee: Global, call: Call) -> bool:
    return callee.name in _MAKERS and bool(call.args) and _is_type(call.args[0])


def _is_type(value: Value) -> bool:
    return isinstance(value, Global) and policy.spelt(value.module, value.name) == (
        "builtins",
        "type",
    )
