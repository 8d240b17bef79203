"""A tensor that reaches beyond the storage it names, wherever in the pickle it is made.

The tensor table proves the tensors of the result against their records; this looks at every call,
so that a tensor inside a sparse or quantised one, or one that is thrown away, is no exception.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.formats.storages import claim_of, natural
from scanner.formats.torch_types import dtype_element
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global, ListValue, Persistent, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules.arguments import row
from scanner.rules.base import Rule

RULE = Rule(
    "tensor-reach",
    Severity.MALICIOUS,
    "A tensor reaches beyond the storage that it names (CVE-2026-24747).",
)
_STORED = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_qtensor"})
_UNTYPED = "_rebuild_tensor_v3"
_THROUGH = frozenset({"_rebuild_from_type", "_rebuild_from_type_v2"})


def check(trace: Trace) -> Iterator[Finding]:
    # A checkpoint has thousands of tensors and two or three names that make them.
    names: dict[int, str] = {}
    for call in trace.calls:
        callee = call.callee
        name = names.get(id(callee))
        if name is None:
            name = names[id(callee)] = _maker(callee)
        if not name:
            continue
        args = call.args
        if name in _THROUGH:
            if len(args) < 3 or not isinstance(args[2], TupleValue):
                continue
            name, args = _maker(args[0]), args[2].items
        if _reaches_out(name, args):
            yield RULE.finding(
                trace, call.offset, call.opcode, target=callee, argument=TupleValue(args)
            )


def _maker(value: Value) -> str:
    """The name of what makes a tensor; nothing for anything else."""
    known = row(value)
    return known.name if known is not None and known.makes == "tensor" else ""


def _reaches_out(name: str, args: tuple[Value, ...]) -> bool:
    if (name not in _STORED and name != _UNTYPED) or len(args) < 4:
        return False
    room = _numel(args[0]) if name in _STORED else _room(args)
    last = _last(args[1], args[2], args[3])
    return room is not None and last is not None and not 0 <= last <= room


def _numel(storage: Value) -> int | None:
    """How many elements the persistent id says that the storage has."""
    if isinstance(storage, Persistent) and isinstance(storage.id, TupleValue):
        parts = storage.id.items
        return natural(parts[4]) if len(parts) >= 5 else None
    return None


def _room(args: tuple[Value, ...]) -> int | None:
    """How many elements of the tensor's own type fit into a storage that has another, or none."""
    claim = claim_of(args[0]) if isinstance(args[0], Persistent) else None
    named = args[6] if len(args) > 6 else None
    element = dtype_element(named.module, named.name) if isinstance(named, Global) else None
    if claim is None or element is None:
        return None
    return claim.nbytes // element.size


def _last(offset: Value, shape: Value, stride: Value) -> int | None:
    """One more than the last element's place; negative where a number makes no sense. None where
    something is no number, which other rules speak of."""
    first, sizes, steps = natural(offset), _sizes(shape), _sizes(stride)
    if first is None or sizes is None or steps is None:
        return None
    if first < 0 or len(sizes) != len(steps):
        return -1
    empty, last = False, first + 1
    for size, step in zip(sizes, steps, strict=True):
        if size < 0 or step < 0:
            return -1
        empty = empty or not size
        last += (size - 1) * step
    return 0 if empty else last


def _sizes(value: Value) -> list[int] | None:
    """A literal tuple's numbers."""
    if isinstance(value, Call) and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, (TupleValue, ListValue)):
        return None
    sizes = []
    for item in value.items:
        number = natural(item)
        if number is None:
            return None
        sizes.append(number)
    return sizes
