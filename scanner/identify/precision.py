"""What a set of tensors is stored as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from scanner.tensors import PRECISION, Tensor

#: A component is called by one precision when this share of its numbers has it: norms and scales
#: are often kept wider.
_SHARE = 0.99

_WHOLE_NUMBERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})


def of(tensor: Tensor) -> str | None:
    """The tensor's precision; None for whole numbers. Quantised blocks keep their own name."""
    if tensor.dtype in _WHOLE_NUMBERS:
        return None
    return PRECISION.get(tensor.dtype, tensor.dtype.lower())


def common(tensors: Iterable[Tensor]) -> str | None:
    """The precision of all of them, ``mixed`` where no one prevails, None without any."""
    counts: Counter[str] = Counter()
    for tensor in tensors:
        name = of(tensor)
        if name is not None:
            counts[name] += tensor.numel
    if not counts:
        return None
    name, most = counts.most_common(1)[0]
    return name if most >= _SHARE * sum(counts.values()) else "mixed"


def parameters(tensors: Iterable[Tensor]) -> int:
    """Numbers that were trained: position ids are indices, not parameters."""
    return sum(tensor.numel for tensor in tensors if tensor.dtype != "I64")
