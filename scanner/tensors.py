"""The tensor table: what a file holds, by name, dtype, shape, stride and place.

The table is made by the format readers without creating a tensor. ``identify``, ``health``,
``ledger`` and ``convert`` read nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import NamedTuple

from scanner.source import Source

#: Bits of one element, by the name that safetensors gives the dtype. Quantised GGUF blocks are
#: not listed: their tensors carry their size in ``Tensor.packed_bytes``.
DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "C128": 128,
}  # fmt: skip
#: What reports call a float precision.
PRECISION: Mapping[str, str] = {
    "F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16",
    "F8_E4M3": "fp8", "F8_E5M2": "fp8", "F8_E4M3FNUZ": "fp8", "F8_E5M2FNUZ": "fp8",
}  # fmt: skip


class Storage(NamedTuple):
    """A run of bytes that tensors look into: a zip member, a legacy storage, a safetensors span.

    ``source`` is random access over its ``nbytes`` bytes; ``source.file_offset`` is None when they
    are not in the file as they are (deflated). ``crc32`` is what the container promises.
    """

    key: str
    nbytes: int
    source: Source
    member: str = ""
    crc32: int | None = None


class Tensor(NamedTuple):
    """One named tensor. ``offset`` and ``stride`` count elements, as torch does.

    ``path`` is the way to it in the object as saved (wrapper keys included); ``name`` the dotted
    key in the state dict that loaders use.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    storage: Storage
    offset: int = 0
    path: tuple[str | int, ...] = ()
    parameter: bool = False
    #: Size of a quantised tensor; None where shape × dtype tells it.
    packed_bytes: int | None = None

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        if self.packed_bytes is not None:
            return self.packed_bytes
        return (self.numel * DTYPE_BITS[self.dtype] + 7) // 8

    @property
    def contiguous(self) -> bool:
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size != 1 and stride != expected:
                return self.numel == 0
            expected *= size
        return True

    @property
    def byte_offset(self) -> int:
        """Start of the first element in the storage."""
        if self.packed_bytes is not None:
            return self.offset
        return self.offset * DTYPE_BITS[self.dtype] // 8

    def read(self, limit: int | None = None) -> bytes:
        """Up to ``limit`` bytes of a contiguous tensor, as they lie in the file."""
        length = self.nbytes if limit is None else min(limit, self.nbytes)
        return self.storage.source.read(self.byte_offset, length)


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    stride: list[int] = []
    step = 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return tuple(reversed(stride))


class Leaf(NamedTuple):
    """Something in the file that is not a tensor: ``path``, type name, and the value if it is
    plain (str, int, float, bool, None, bytes or a list/dict of those), else None."""

    path: tuple[str | int, ...]
    type: str
    value: object = None


class TensorTable:
    """Every tensor of one file, in file order.

    ``metadata`` is the safetensors ``__metadata__`` (or GGUF string fields); ``leaves`` what a
    pickle holds beside tensors; ``wrappers`` the keys that were taken off ("state_dict", …).
    """

    __slots__ = ("big_endian", "leaves", "metadata", "tensors", "wrappers")

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        metadata: Mapping[str, str] | None = None,
        leaves: tuple[Leaf, ...] = (),
        wrappers: tuple[str, ...] = (),
        big_endian: bool = False,
    ) -> None:
        self.tensors = tensors
        self.metadata = metadata or {}
        self.leaves = leaves
        self.wrappers = wrappers
        self.big_endian = big_endian

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)
