"""Facts that names and shapes leave open, read from a few bytes of values."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

from scanner.errors import FileError
from scanner.tensors import Tensor

_CODES = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b",
          "U8": "B", "BOOL": "B"}  # fmt: skip
#: No probe looks at more values than this.
_MOST = 4096

#: Below this the released SD2 base models lie, above it the v-prediction ones; measured by
#: WebUI's loader, which tells them apart by the same tensor.
_V_DEVIATION = 0.09


def values(tensor: Tensor, *, big_endian: bool = False) -> tuple[float, ...] | None:
    """The tensor's first values, or None where they cannot be read."""
    count = min(tensor.numel, _MOST)
    order = ">" if big_endian else "<"
    try:
        if tensor.dtype == "BF16":
            halves = struct.unpack(f"{order}{count}H", tensor.read(2 * count))
            return tuple(struct.unpack("<f", struct.pack("<I", half << 16))[0] for half in halves)
        code = _CODES.get(tensor.dtype)
        if code is None or not tensor.contiguous:
            return None
        raw = tensor.read(struct.calcsize(f"<{code}") * count)
        return tuple(float(value) for value in struct.unpack(f"{order}{count}{code}", raw))
    except (FileError, struct.error):
        return None


def scalar(tensor: Tensor, *, big_endian: bool = False) -> float | None:
    found = values(tensor, big_endian=big_endian) if tensor.numel == 1 else None
    return found[0] if found and math.isfinite(found[0]) else None


def commonest(tensors: Iterable[Tensor], *, big_endian: bool = False) -> float | None:
    """The value that most of these one-element tensors have."""
    found = [scalar(tensor, big_endian=big_endian) for tensor in tensors]
    known = [value for value in found if value is not None]
    return max(set(known), key=known.count) if known else None


def predicts_v(tensor: Tensor, *, big_endian: bool = False) -> tuple[bool | None, float]:
    """Whether the UNet with this last ``norm1.bias`` predicts v, and the deviation that says so.
    None where the values say nothing (blanked, damaged)."""
    found = values(tensor, big_endian=big_endian)
    if not found or not all(map(math.isfinite, found)):
        return None, math.nan
    mean = math.fsum(found) / len(found)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in found) / len(found))
    return (None if deviation == 0 else deviation > _V_DEVIATION), deviation
