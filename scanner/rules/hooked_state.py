"""BUILD with a state that replaces what later opcodes call: ``__setstate__``, ``extend``, …

A pickler writes the state as a literal dict with literal names. An attribute's name that is made at
load time is a way around a scanner, and so is a state that another call builds.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Mutation, Trace
from scanner.opcodes.values import (
    Call,
    Const,
    DictValue,
    Extension,
    Global,
    ListValue,
    TupleValue,
    Value,
)
from scanner.policy import Role
from scanner.report import Finding, Severity
from scanner.rules.arguments import made_by, row
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
        if _sets_attributes(mutation) and any(_hooks(part) for part in _states(mutation.argument)):
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


def _sets_attributes(mutation: Mutation) -> bool:
    """BUILD does, and so do the items of Lightning's AttributeDict, which looks attributes up among
    them: ``__setstate__`` as well."""
    if mutation.opcode == "BUILD":
        return True
    made = made_by(mutation.target)
    return made is not None and made.name == "AttributeDict"


def _sets(call: Call) -> bool:
    """Whether torch sets the fourth argument's items as attributes."""
    known = row(call.callee)
    return known is not None and known.name in _SETTERS


def _states(state: Value) -> Iterator[list[tuple[Value, Value]]]:
    """The attributes of the state, or of both of (state, slots)."""
    for part in state.items if isinstance(state, TupleValue) else (state,):
        if isinstance(part, DictValue):
            yield part.items
        elif isinstance(part, Call):
            yield part.items
            yield from map(_paired, part.args)


def _paired(argument: Value) -> list[tuple[Value, Value]]:
    """What ``dict`` makes of its argument: a dict's items, or pairs in a list."""
    if isinstance(argument, DictValue):
        return argument.items
    if not isinstance(argument, (ListValue, TupleValue)):
        return []
    pairs = [item.items for item in argument.items if isinstance(item, (ListValue, TupleValue))]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _hooks(attributes: list[tuple[Value, Value]]) -> bool:
    return any(_is_hook(key, value) for key, value in attributes)


def _is_hook(key: Value, value: Value) -> bool:
    if isinstance(key, Call):
        made = row(key.callee)
        return made is not None and made.name == "str"
    if not isinstance(key, Const):
        return False
    name = key.value.decode("latin-1") if isinstance(key.value, bytes) else key.value
    if name in _SPECIAL:
        return True
    return name in _CALLED and _callable(value)


def _callable(value: Value) -> bool:
    if isinstance(value, Global):
        known = row(value)
        return known is None or known.role is not Role.CONSTANT
    return isinstance(value, (Call, Extension))
