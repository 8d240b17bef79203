"""Float arithmetic on raw little-endian bytes: casts, and the swap of big-endian ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanner.tensors import DTYPE_BITS

Float = NDArray[np.float32] | NDArray[np.float64]

#: Dtypes that a cast changes. Eight-bit floats stay: they are smaller than any target.
CASTABLE = frozenset({"F64", "F32", "F16", "BF16"})


class Overflow(Exception):
    """A finite value would have become infinite."""


def swap(data: bytes, dtype: str) -> bytes:
    """Big-endian elements made little-endian. A complex number is two floats."""
    width = DTYPE_BITS[dtype] // 8 // (2 if dtype.startswith("C") else 1)
    if width <= 1:
        return data
    return np.frombuffer(data, dtype=np.dtype(f"u{width}")).byteswap().tobytes()


def cast(data: bytes, dtype: str, to: str) -> bytes:
    """``data`` of ``dtype`` as ``to`` (F16 or BF16), rounded to the nearest, ties to even.
    Raises ``Overflow`` rather than turn a finite value into an infinite one."""
    if dtype == to:
        return data
    wide = _floats(data, dtype)
    with np.errstate(all="ignore"):
        if to == "F16":
            half = wide.astype("<f2")
            _check(wide, np.isinf(half))
            return half.tobytes()
        return _bfloat(wide)


def _floats(data: bytes, dtype: str) -> Float:
    if dtype == "F64":
        return np.frombuffer(data, "<f8")
    if dtype == "F32":
        return np.frombuffer(data, "<f4")
    if dtype == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32)
    bits = np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)
    return bits.view(np.float32)


def _bfloat(wide: Float) -> bytes:
    single = wide.astype(np.float32)
    bits = single.view(np.uint32)
    # Round to nearest, ties to even, in integers: numpy has no such type.
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    rounded = np.where(np.isnan(single), np.uint32(0x7FC0), rounded).astype("<u2")
    _check(wide, (rounded & 0x7FFF) == 0x7F80)
    return rounded.tobytes()


def _check(before: Float, infinite_after: NDArray[np.bool_]) -> None:
    if infinite_after.any() and np.isfinite(before[infinite_after]).any():
        raise Overflow
