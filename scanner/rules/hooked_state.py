"""BUILD with a state that replaces what later opcodes call: ``__setstate__``, ``extend``, …"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Const, DictValue, Extension, Global, TupleValue, Value
from scanner.policy import Role
from scanner.report import Finding, Severity
from scanner.rules.arguments import row
from scanner.rules.base import Rule

RULE = Rule(
    "hooked-state",
    Severity.MALICIOUS,
    "The file sets an attribute that Python itself calls or follows.",
)
_SPECIAL = frozenset(
    {
        "__setstate__", "__class__", "__reduce__", "__reduce_ex__", "__getattr__",
        "__getattribute__", "__setattr__", "__call__", "__init__", "__new__", "__del__",
        "__code__", "__globals__", "__builtins__", "__bases__", "__getstate__", "__init_subclass__",
    }
)  # fmt: skip
_SETTERS = frozenset(
    {"_rebuild_from_type_v2", "_rebuild_from_type", "_rebuild_parameter_with_state"}
)
#: Looked up on the instance by APPENDS and ADDITEMS.
_CALLED = frozenset({"append", "extend", "add"})


def check(trace: Trace) -> Iterator[Finding]:
    for mutation in trace.mutations:
        if mutation.opcode == "BUILD" and any(_hooks(part) for part in _states(mutation.argument)):
            yield RULE.finding(
                trace,
                mutation.offset,
                mutation.opcode,
                target=mutation.target,
                argument=mutation.argument,
            )
    for call in trace.calls:
        if any(_hooks(part) for state in call.args[3:4] for part in _states(state)) and _sets(call):
            yield RULE.finding(
                trace, call.offset, call.opcode, target=call.callee, argument=call.args[3]
            )


def _sets(call: Call) -> bool:
    """Whether torch sets the fourth argument's items as attributes."""
    known = row(call.callee)
    return known is not None and known.name in _SETTERS


def _states(state: Value) -> Iterator[DictValue]:
    """The state, or both of (state, slots)."""
    for part in state.items if isinstance(state, TupleValue) else (state,):
        if isinstance(part, DictValue):
            yield part


def _hooks(state: DictValue) -> bool:
    return any(_is_hook(key, value) for key, value in state.items)


def _is_hook(key: Value, value: Value) -> bool:
    if not isinstance(key, Const) or not isinstance(key.value, str):
        return False
    if key.value in _SPECIAL:
        return True
    return key.value in _CALLED and _callable(value)


def _callable(value: Value) -> bool:
    if isinstance(value, Global):
        known = row(value)
        return known is None or known.role is not Role.CONSTANT
    return isinstance(value, (Call, Extension))
