"""What a torch file is made of: plain values in dicts, lists and tuples, and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod

from scanner.errors import EngineError
from scanner.tensors import DTYPE_BITS, Tensor


@dataclass(frozen=True, slots=True)
class Array:
    """A tensor to be written: a dtype by its safetensors name, a shape, and a function that gives
    its little-endian bytes, row-major, in pieces of any size; it is called once."""

    dtype: str
    shape: tuple[int, ...]
    chunks: Callable[[], Iterable[bytes]]

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * DTYPE_BITS[self.dtype] // 8

    @classmethod
    def of_bytes(cls, dtype: str, shape: tuple[int, ...], data: bytes) -> Array:
        return cls(dtype, shape, lambda: (data,))

    @classmethod
    def of_tensor(cls, tensor: Tensor) -> Array:
        """A tensor of a file that is read, which has to be contiguous."""
        if not tensor.contiguous:
            raise EngineError("writer.strided", tensor.name)
        source = tensor.storage.source
        return cls(
            tensor.dtype, tensor.shape, lambda: source.chunks(tensor.byte_offset, tensor.nbytes)
        )


Tree = (
    None | bool | int | float | str | Array
    | list["Tree"] | tuple["Tree", ...] | Mapping[str | int, "Tree"]
)  # fmt: skip
