"""Values of any float format as fp16, the same on every machine.

Rounded to the nearest, ties to even, in whole numbers: numpy's own cast gives the same, but takes
twenty times as long over values that become subnormal. Too large a value becomes infinite, as it
does in any cast; every NaN becomes one NaN, since casts keep no payload.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scanner.weights import prepare

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[tuple[int], numpy.dtype[Any]]

_INFINITY, _NAN = 0x7C00, 0x7E00
_OVERFLOW = 0x477F_F000  # 65520, the least that rounds to infinity
_SINGLE_INFINITY = 0x7F80_0000
_NORMAL = 0x3880_0000  # 2**-14, the smallest normal fp16
#: Added to an fp32's bits it takes fp32's bias off and half of fp16's last place on.
_REBIAS = (0xFFF - (112 << 23)) & 0xFFFF_FFFF
#: Added to a small float it pushes out of the fraction what fp16 has no subnormal for.
_MAGIC, _MAGIC_BITS = 0.5, 0x3F00_0000
#: Numbers at a time: what is worked out on the way stays in the second-level cache.
_SLICE = 32 * 1024


def _of_singles(bits: Array) -> Array:
    numpy = prepare()
    halves: Array = numpy.empty(len(bits), numpy.uint16)
    for start in range(0, len(bits), _SLICE):
        part = bits[start : start + _SLICE]
        halves[start : start + _SLICE] = _slice(part, numpy)
    return halves


def _slice(bits: Array, numpy: ModuleType) -> Array:
    word = numpy.uint32
    magnitudes: Array = bits & word(0x7FFF_FFFF)
    # Ties go to even: one more is added where the last place that stays is odd.
    rounded: Array = magnitudes >> word(13)
    rounded &= word(1)
    rounded += magnitudes
    rounded += word(_REBIAS)
    rounded >>= word(13)
    if int(magnitudes.min()) < _NORMAL:
        tiny = numpy.flatnonzero(magnitudes < word(_NORMAL))
        sums = magnitudes[tiny].view(numpy.float32) + numpy.float32(_MAGIC)
        rounded[tiny] = sums.view(word) - word(_MAGIC_BITS)
    most = int(magnitudes.max())
    if most >= _OVERFLOW:
        rounded[magnitudes >= word(_OVERFLOW)] = _INFINITY
    signs = bits >> word(16)
    signs &= word(0x8000)
    rounded |= signs
    if most > _SINGLE_INFINITY:
        rounded[magnitudes > word(_SINGLE_INFINITY)] = _NAN
    return rounded


def _of_halves(bits: Array) -> Array:
    numpy = prepare()
    magnitudes = bits & numpy.uint16(0x7FFF)
    if int(magnitudes.max(initial=0)) <= _INFINITY:
        return bits
    nan = magnitudes > numpy.uint16(_INFINITY)
    halves: Array = numpy.where(nan, numpy.uint16(_NAN), bits)
    return halves


def _of_doubles(bits: Array) -> Array:
    numpy = prepare()
    with numpy.errstate(all="ignore"):
        return _of_halves(bits.view(numpy.float64).astype(numpy.float16).view(numpy.uint16))


@cache
def _brain_halves() -> Array:
    """Every bf16 as fp16: a bf16 is the upper half of an fp32."""
    numpy = prepare()
    return _of_singles(numpy.arange(1 << 16, dtype=numpy.uint32) << numpy.uint32(16))


@cache
def _eighths() -> Array:
    """Every fp8 of four exponent bits as fp16, which holds them all. It has no infinity."""
    numpy = prepare()
    bits = numpy.arange(1 << 7, dtype=numpy.uint32)
    normal = (((bits >> 3) + 8) << 10) | ((bits & 7) << 7)
    # Below 2**-6 the steps are of 2**-9.
    small = numpy.ldexp(bits[:8].astype(numpy.float32), -9).astype(numpy.float16)
    normal[:8] = small.view(numpy.uint16)
    halves: Array = numpy.concatenate((normal, normal | 0x8000)).astype(numpy.uint16)
    halves[[0x7F, 0xFF]] = _NAN
    return halves


#: dtype → (bytes of an element, its bits as those of an fp16)
_CASTS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "F64": (8, _of_doubles),
    "F32": (4, _of_singles),
    "F16": (2, _of_halves),
    "BF16": (2, lambda bits: _brain_halves()[bits]),
    "F8_E4M3": (1, lambda bits: _eighths()[bits]),
    # An fp16 without the lower half.
    "F8_E5M2": (1, lambda bits: _of_halves(bits.astype("u2") << 8)),
}
DTYPES = frozenset(_CASTS)


def halves(block: bytes, dtype: str, *, big_endian: bool = False) -> memoryview:
    """The block's values as the bytes of little-endian fp16."""
    numpy = prepare()
    width, cast = _CASTS[dtype]
    bits = numpy.frombuffer(block, f"{'>' if big_endian else '<'}u{width}")
    told = cast(bits.astype(f"=u{width}", copy=False)).astype("<u2", copy=False)
    view: memoryview = told.view("u1").data
    return view
