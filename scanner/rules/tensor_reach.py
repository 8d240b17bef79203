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
    for call in trace.calls:
        known = row(call.callee)
        if known is None or known.makes != "tensor":
            continue
        name, args = known.name, call.args
        if name in _THROUGH and len(args) >= 3 and isinstance(args[2], TupleValue):
            inner = row(args[0])
            name, args = (inner.name if inner else ""), args[2].items
        if _reaches_out(name, args):
            yield RULE.finding(
                trace, call.offset, call.opcode, target=call.callee, argument=TupleValue(args)
            )


def _reaches_out(name: str, args: tuple[Value, ...]) -> bool:
    if (name not in _STORED and name != _UNTYPED) or len(args) < 4:
        return False
    claim = claim_of(args[0]) if isinstance(args[0], Persistent) else None
    if claim is None:
        return False
    width = claim.element.size
    if name == _UNTYPED:
        named = args[6] if len(args) > 6 else None
        element = dtype_element(named.module, named.name) if isinstance(named, Global) else None
        if element is None:
            return False
        width = element.size
    last = _last(natural(args[1]), _sizes(args[2]), _sizes(args[3]))
    return last is not None and not 0 <= last * width <= claim.nbytes


def _last(offset: int | None, shape: list[int] | None, stride: list[int] | None) -> int | None:
    """One more than the last element's place; negative where a number makes no sense."""
    if offset is None or shape is None or stride is None:
        return None
    if offset < 0 or len(shape) != len(stride) or min(shape + stride, default=0) < 0:
        return -1
    if 0 in shape:
        return 0
    return offset + 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))


def _sizes(value: Value) -> list[int] | None:
    """A literal tuple's numbers; None for what is none, which other rules speak of."""
    if isinstance(value, Call) and len(value.args) == 1:
        value = value.args[0]
    if not isinstance(value, (TupleValue, ListValue)):
        return None
    sizes: list[int] = []
    for item in value.items:
        size = natural(item)
        if size is None:
            return None
        sizes.append(size)
    return sizes
