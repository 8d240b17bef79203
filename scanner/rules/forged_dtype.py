"""A numpy dtype whose state contradicts itself: bytes of the file become pointers.

numpy takes the flags of a dtype and the places of its fields from the state that BUILD sets. Where
a dtype of objects says that it holds none, an array's bytes are taken for objects' addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Const, DictValue, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules.arguments import made_by
from scanner.rules.base import Rule

RULE = Rule(
    "forged-dtype",
    Severity.MALICIOUS,
    "The state of a numpy dtype contradicts itself, so that an array reaches outside its bytes.",
)
#: NPY_ITEM_REFCOUNT and NPY_LIST_PICKLE of numpy's ndarraytypes.h.
_HOLDS_OBJECTS = 0x03
#: Of numbers, whose code says how many bytes they take.
_SIZED = re.compile(r"[<>|=]?[biufcmM](\d{1,2})")
_DEPTH = 8
_FIELDS = 10_000


def check(trace: Trace) -> Iterator[Finding]:
    for mutation in trace.mutations:
        target, state = mutation.target, mutation.argument
        if (
            mutation.opcode == "BUILD"
            and isinstance(target, Call)
            and is_dtype(target)
            and isinstance(state, TupleValue)
            and _forged(target, state.items)
        ):
            yield RULE.finding(
                trace, mutation.offset, mutation.opcode, target=target, argument=state
            )


def is_dtype(value: Value) -> bool:
    made = made_by(value)
    return made is not None and (
        (made.module, made.name) == ("numpy", "dtype") or made.module == "numpy.dtypes"
    )


def _forged(dtype: Call, state: tuple[Value, ...]) -> bool:
    """``(version, order, subarray, names, fields, size, alignment, flags[, metadata])``"""
    if len(state) < 8:
        return False
    flags = _number(state[7])
    if flags is not None and flags & _HOLDS_OBJECTS != _HOLDS_OBJECTS:
        named = _is_object(dtype) or _any_object(state[2], state[4])
        if named:
            return True
    size = _number(state[5])
    return (
        size is not None
        and size >= 0
        and any(not 0 <= start <= end <= size for start, end in _reaches(state[2], state[4]))
    )


def _reaches(subarray: Value, fields: Value) -> Iterator[tuple[int, int]]:
    """From where to where in the item the parts lie, as far as that can be known."""
    for entry in _entries(fields):
        start = _number(entry[1])
        if start is not None:
            yield start, start + _size(entry[0])
    if isinstance(subarray, TupleValue) and len(subarray.items) == 2:
        kind, shape = subarray.items
        lengths = shape.items if isinstance(shape, TupleValue) else (shape,)
        sizes = [_number(length) for length in lengths]
        if None not in sizes:
            yield 0, _size(kind) * prod(size for size in sizes if size is not None)


def _size(dtype: Value) -> int:
    """At least so many bytes: 0 where nothing says it."""
    if not isinstance(dtype, Call):
        return 0
    for state in reversed(dtype.states):
        if isinstance(state, TupleValue) and len(state.items) >= 8:
            size = _number(state.items[5])
            if size is not None and size >= 0:
                return size
    code = _SIZED.fullmatch(_code(dtype))
    return int(code[1]) if code else 0


def _number(value: Value) -> int | None:
    return value.value if isinstance(value, Const) and type(value.value) is int else None


def _code(dtype: Call) -> str:
    if not dtype.args or not isinstance(dtype.args[0], Const):
        return ""
    code = dtype.args[0].value
    text = code.decode("latin-1") if isinstance(code, bytes) else code
    return text if isinstance(text, str) else ""


def _is_object(dtype: Value) -> bool:
    # "f4,3O" is a record of two.
    return isinstance(dtype, Call) and any(
        part.lstrip("<>|= ()0123456789").startswith(("O", "object"))
        for part in _code(dtype).split(",")
    )


def _any_object(subarray: Value, fields: Value, depth: int = _DEPTH) -> bool:
    """Whether a dtype's parts hold objects, as far down as anybody nests them."""
    parts = [*_field_types(fields)]
    if isinstance(subarray, TupleValue):
        parts += subarray.items[:1]
    for part in parts:
        if _is_object(part):
            return True
        states = part.states if isinstance(part, Call) else []
        for state in states:
            if (
                depth
                and isinstance(state, TupleValue)
                and len(state.items) >= 8
                and _any_object(state.items[2], state.items[4], depth - 1)
            ):
                return True
    return False


def _entries(fields: Value) -> Iterator[tuple[Value, ...]]:
    if isinstance(fields, DictValue):
        for _, entry in fields.items[:_FIELDS]:
            if isinstance(entry, TupleValue) and len(entry.items) >= 2:
                yield entry.items


def _field_types(fields: Value) -> Iterator[Value]:
    return (entry[0] for entry in _entries(fields))
