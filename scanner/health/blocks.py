"""Tests on raw blocks of numbers, by their bits: a comparison of whole numbers is cheaper than one
of floats, and no block is widened.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from scanner.tensors import DTYPE_BITS
from scanner.weights import prepare

if TYPE_CHECKING:
    import numpy

    Bits = numpy.ndarray[tuple[int], numpy.dtype[numpy.unsignedinteger]]

#: What each float format's magnitude (all bits but the sign) is compared with: infinity.
_INFINITY = {
    "F64": 0x7FF0_0000_0000_0000, "F32": 0x7F80_0000, "F16": 0x7C00, "BF16": 0x7F80,
    "F8_E5M2": 0x7C,
}  # fmt: skip
#: Formats without infinity: this magnitude, or this whole pattern, is NaN.
_ONLY_NAN = {"F8_E4M3": 0x7F}

#: The least magnitudes that fp16 rounds to infinity.
_OVERFLOW = {"F64": 0x40EF_FE00_0000_0000, "F32": 0x477F_F000, "BF16": 0x4780}

_BRAIN_LOST = 0xFFFF  # bits of an fp32 that bf16 has not
_HALF_LOST = 0x1FFF  # bits of an fp32 fraction that fp16 has not
_HALF_MOST = 0x477F_E000  # 65504
_HALF_LEAST = 0x3880_0000  # 2**-14, the smallest normal number


def is_float(dtype: str) -> bool:
    return dtype in _INFINITY or dtype in _ONLY_NAN


@dataclass(slots=True)
class Scan:
    """What is known of one tensor's values after the blocks seen so far."""

    dtype: str
    nan: bool = False
    infinite: bool = False
    #: The bits of the first element while every element has had the same.
    constant: int | None = None
    #: Every fp32 value so far is exactly an fp16 value, or a bf16 one.
    halves: bool = True
    brains: bool = True
    #: A finite value is beyond what fp16 holds.
    beyond: bool = False
    started: bool = False
    head: bytes = b""
    tail: bytes = b""

    @property
    def zero(self) -> bool:
        return self.started and self.constant == 0

    def feed(self, block: bytes, swap: bool) -> None:
        """The next block of the tensor's bytes; ``swap`` where they are big-endian."""
        numpy = prepare()
        size = DTYPE_BITS[self.dtype] // 8
        bits: Bits = numpy.frombuffer(block, dtype=f"{'>' if swap else '<'}u{size}")
        if swap:
            bits = bits.astype(f"=u{size}")
        if not self.started:
            self.constant = int(bits[0])
            self.head = block[:64]
            self.started = True
        self.tail = block[-64:]
        if self.constant is not None and not bool((bits == self.constant).all()):
            self.constant = None
        if is_float(self.dtype):
            self._floats(bits, size)
        else:
            self.halves = self.brains = False

    def _floats(self, bits: Bits, size: int) -> None:
        mask = (1 << (8 * size - 1)) - 1
        magnitudes = bits & bits.dtype.type(mask)
        most = int(magnitudes.max())
        infinity = _INFINITY.get(self.dtype)
        if infinity is None:
            self.nan |= most >= _ONLY_NAN[self.dtype]
        elif most >= infinity:
            self.nan |= most > infinity
            self.infinite |= bool((magnitudes == infinity).any())
        overflow, limit = _OVERFLOW.get(self.dtype), infinity or 0
        if overflow is not None and most >= overflow and not self.beyond:
            self.beyond = bool(((magnitudes >= overflow) & (magnitudes < limit)).any())
        if self.dtype != "F32":
            self.halves = self.brains = False
            return
        if self.halves:
            self.halves = _fit_halves(bits, magnitudes, most)
        if self.brains:
            self.brains = _fit_brains(bits)


def _fit_brains(bits: Bits) -> bool:
    """Whether all are bf16 values: nothing in the lower half."""
    numpy = prepare()
    return not any(int(numpy.bitwise_or.reduce(part)) & _BRAIN_LOST for part in (bits[:256], bits))


def _fit_halves(bits: Bits, magnitudes: Bits, most: int) -> bool:
    """Whether all are fp16 values: fraction short enough, in range, tiny ones on fp16's grid."""
    numpy = prepare()
    # A sample first: genuine fp32 fails here and costs nothing more.
    if int(numpy.bitwise_or.reduce(bits[:256])) & _HALF_LOST or most > _HALF_MOST:
        return False
    if int(numpy.bitwise_or.reduce(bits)) & _HALF_LOST:
        return False
    # Zero minus one wraps around, so zeros are out of the way.
    if int((magnitudes - magnitudes.dtype.type(1)).min()) >= _HALF_LEAST - 1:
        return True
    tiny = magnitudes[magnitudes < _HALF_LEAST]
    steps = tiny.view(numpy.float32) * numpy.float32(2.0**24)
    return bool((steps == numpy.rint(steps)).all() and _normal(tiny, numpy))


def _normal(tiny: Bits, numpy: ModuleType) -> bool:
    """fp32's own subnormals are far below fp16's grid, and may be flushed to zero above."""
    return not bool(((tiny > 0) & (tiny < 0x0080_0000)).any())
