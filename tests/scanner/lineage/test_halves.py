"""Rounding to fp16 is proven against exact arithmetic, bit for bit."""

from __future__ import annotations

import math
import random
import struct
from bisect import bisect_left
from collections.abc import Iterable
from fractions import Fraction

import numpy
import pytest

from scanner.lineage.halves import halves

_NAN = 0x7E00
#: Every finite fp16 that is not negative, in order: the index is its bits.
_FINITE = [Fraction(struct.unpack("<e", struct.pack("<H", bits))[0]) for bits in range(0x7C00)]
_RANDOM = random.Random(16)


def _rounded(value: float) -> int:
    """The bits of the nearest fp16 by exact fractions; of two as near, the even one."""
    if math.isnan(value):
        return _NAN
    sign = 0x8000 if math.copysign(1.0, value) < 0 else 0
    if math.isinf(value):
        return sign | 0x7C00
    exact = abs(Fraction(value))
    above = bisect_left(_FINITE, exact)
    # One step beyond the largest stands for infinity.
    next_up = _FINITE[above] if above < len(_FINITE) else Fraction(65536)
    if next_up == exact or above == 0:
        return sign | above
    below = _FINITE[above - 1]
    if exact - below == next_up - exact:
        return sign | (above if above % 2 == 0 else above - 1)
    return sign | (above if next_up - exact < exact - below else above - 1)


def _told(data: bytes, dtype: str, **options: bool) -> list[int]:
    told: list[int] = numpy.frombuffer(halves(data, dtype, **options), "<u2").tolist()
    return told


def _singles(bits: Iterable[int]) -> bytes:
    return b"".join(struct.pack("<I", word) for word in bits)


def _near(word: int) -> list[int]:
    return [word - 1, word, word + 1]


#: Where rounding changes its ways: zero, fp32's and fp16's least, the ties around them, the
#: smallest normal, 1, the largest fp16, what becomes infinite, infinity itself.
_EDGES = [0, 1, *(word for value in (
    2.0**-126, 2.0**-26, 2.0**-25, 2.0**-24, 3 * 2.0**-25, 1023.5 * 2.0**-24, 2.0**-14,
    1.0, 1 + 2.0**-11, 1 + 3 * 2.0**-11, 65504.0, 65519.0, 65520.0, 65536.0, 3.4e38,
) for word in _near(struct.unpack("<I", struct.pack("<f", value))[0])),
    0x7F80_0000, 0x7F80_0001, 0x7FC0_0000, 0x7FFF_FFFF]  # fmt: skip


def test_singles_round_to_the_nearest_and_ties_to_even() -> None:
    positive = [*_EDGES, *(_RANDOM.getrandbits(31) for _ in range(4000))]
    # Most random bits are far out of fp16's range; these are in it.
    positive += [_RANDOM.randrange(0x3300_0000, 0x4780_0000) for _ in range(20_000)]
    positive += [_RANDOM.randrange(0x1C00, 0x23C0) << 17 | 1 << 12 for _ in range(4000)]
    every = positive + [word | 0x8000_0000 for word in positive]
    values = struct.unpack(f"<{len(every)}f", _singles(every))
    assert _told(_singles(every), "F32") == [_rounded(value) for value in values]


def test_doubles_are_rounded_once() -> None:
    """By way of fp32 the first would be rounded up, and then up again."""
    values = [1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-11 - 2.0**-40, 1e300, -1e-300, math.nan, math.inf]
    values += [_RANDOM.gauss(0, 1) * 10 ** _RANDOM.randrange(-9, 6) for _ in range(4000)]
    data = struct.pack(f"<{len(values)}d", *values)
    assert _told(data, "F64") == [_rounded(value) for value in values]


def test_every_bf16_and_every_fp16() -> None:
    every = numpy.arange(1 << 16, dtype="<u2")
    singles = (every.astype("<u4") << 16).view("<f4").tolist()
    assert _told(every.tobytes(), "BF16") == [_rounded(value) for value in singles]
    kept = [_NAN if bits & 0x7FFF > 0x7C00 else bits for bits in range(1 << 16)]
    assert _told(every.tobytes(), "F16") == kept


def _eighth(bits: int) -> float:
    """fp8 of four exponent bits, by its definition."""
    sign, exponent, fraction = -1.0 if bits & 0x80 else 1.0, bits >> 3 & 15, bits & 7
    if bits & 0x7F == 0x7F:
        return math.nan
    if exponent == 0:
        return sign * fraction * 2.0**-9
    return sign * (1 + fraction / 8) * 2.0 ** (exponent - 7)


def test_every_fp8_of_either_kind() -> None:
    data = bytes(range(256))
    assert _told(data, "F8_E4M3") == [_rounded(_eighth(bits)) for bits in data]
    wide = [struct.unpack("<e", bytes([0, bits]))[0] for bits in data]
    assert _told(data, "F8_E5M2") == [_rounded(value) for value in wide]


@pytest.mark.parametrize(("dtype", "code"), [("F64", "d"), ("F32", "f"), ("F16", "e")])
def test_big_endian_values_are_the_same_values(dtype: str, code: str) -> None:
    values = [0.1, -3.25, 7e-6, 60000.0]
    little, big = struct.pack(f"<4{code}", *values), struct.pack(f">4{code}", *values)
    assert _told(big, dtype, big_endian=True) == _told(little, dtype)
