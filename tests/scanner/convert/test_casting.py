"""Casts agree with torch to the bit, and never make a finite value infinite."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scanner.convert import casting

_TORCH = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


def raw(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def assert_same(got: bytes, expected: torch.Tensor) -> None:
    ours = torch.frombuffer(bytearray(got), dtype=expected.dtype)
    numbers = ~expected.isnan()
    assert torch.equal(ours[numbers], expected[numbers])
    assert ours[~numbers].isnan().all()


@pytest.mark.parametrize("dtype", ["F32", "F64"])
@pytest.mark.parametrize("to", ["F16", "BF16"])
def test_random_values_are_rounded_as_torch_rounds_them(dtype: str, to: str) -> None:
    torch.manual_seed(1)
    scale = 10.0 ** torch.randint(-9, 4, (20_000,))
    values = (torch.randn(20_000) * scale).to(_TORCH[dtype])
    assert_same(casting.cast(raw(values), dtype, to), values.to(_TORCH[to]))


def test_every_half_becomes_the_bfloat_that_torch_makes_of_it() -> None:
    values = torch.from_numpy(np.arange(65536, dtype=np.uint16)).view(torch.float16)
    assert_same(casting.cast(raw(values), "F16", "BF16"), values.to(torch.bfloat16))


def test_ties_go_to_the_even_neighbour() -> None:
    bits = np.array([0x3F808000, 0x3F818000, 0x3F808001], dtype=np.uint32)
    cast = np.frombuffer(casting.cast(bits.tobytes(), "F32", "BF16"), np.uint16)
    assert [hex(value) for value in cast] == ["0x3f80", "0x3f82", "0x3f81"]


def test_infinities_and_nan_stay_what_they_are() -> None:
    values = torch.tensor([float("inf"), -float("inf"), float("nan")])
    for to in ("F16", "BF16"):
        assert_same(casting.cast(raw(values), "F32", to), values.to(_TORCH[to]))


@pytest.mark.parametrize(
    ("value", "dtype", "to"),
    [
        (65520.0, "F32", "F16"),
        (-1e30, "F64", "F16"),
        (3.4e38, "F32", "BF16"),
        (1e300, "F64", "BF16"),
        (3e38, "BF16", "F16"),
    ],
)
def test_a_finite_value_beyond_the_range_is_an_overflow(value: float, dtype: str, to: str) -> None:
    values = torch.tensor([1.0, value], dtype=_TORCH[dtype])
    with pytest.raises(casting.Overflow):
        casting.cast(raw(values), dtype, to)


def test_the_largest_half_still_fits() -> None:
    assert_same(
        casting.cast(raw(torch.tensor([65519.0])), "F32", "F16"),
        torch.tensor([65504.0], dtype=torch.float16),
    )


@pytest.mark.parametrize(
    ("dtype", "numpy"), [("F32", ">f4"), ("I64", ">i8"), ("F16", ">f2"), ("C64", ">c8")]
)
def test_big_endian_elements_are_turned_round(dtype: str, numpy: str) -> None:
    values = np.arange(1, 9).astype(numpy)
    little = values.astype(numpy.replace(">", "<"))
    assert casting.swap(values.tobytes(), dtype) == little.tobytes()


def test_bytes_have_no_order() -> None:
    assert casting.swap(b"abc", "U8") == b"abc"
