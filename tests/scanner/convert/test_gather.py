"""Any view comes out row-major, each byte once, whatever the budget."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.convert import gather
from scanner.source import BytesSource, Source


class Counting(BytesSource):
    """Remembers the largest read."""

    largest = 0

    def read(self, offset: int, length: int) -> bytes:
        self.largest = max(self.largest, length)
        return super().read(offset, length)


def gathered(whole: gather.Strided, source: Source, budget: int) -> bytes:
    size = prod(whole.shape) * whole.item
    out, seen = bytearray(size), np.zeros(size, dtype=np.uint8)
    for position, data in gather.runs(whole, source, budget):
        out[position : position + len(data)] = data
        seen[position : position + len(data)] += 1
    assert (seen == 1).all()
    return bytes(out)


@st.composite
def views(draw: st.DrawFn) -> gather.Strided:
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    stride = tuple(draw(st.integers(0, 40)) for _ in shape)
    return gather.Strided(shape, stride, draw(st.integers(0, 9)), draw(st.sampled_from([1, 2, 8])))


@settings(max_examples=200, deadline=None)
@given(views(), st.integers(8, 600))
def test_any_strides_give_what_numpy_gives(whole: gather.Strided, budget: int) -> None:
    data = np.random.default_rng(1).bytes(whole.offset * whole.item + whole.span)
    flat = np.frombuffer(data, f"V{whole.item}")[whole.offset :]
    steps = [step * whole.item for step in whole.stride]
    expected = np.lib.stride_tricks.as_strided(flat, whole.shape, steps)
    assert gathered(whole, BytesSource(data), budget) == expected.tobytes()


def test_a_transposed_matrix_is_read_in_pieces_no_larger_than_the_budget() -> None:
    data = np.arange(200 * 300, dtype=np.uint32)
    source = Counting(data.tobytes())
    whole = gather.Strided((300, 200), (1, 300), 0, 4)
    expected = data.reshape(200, 300).T.tobytes()
    assert gathered(whole, source, 20_000) == expected
    assert 0 < source.largest <= 20_000


def test_an_expanded_row_is_repeated() -> None:
    whole = gather.Strided((1000, 3), (0, 1), 0, 1)
    assert gathered(whole, BytesSource(b"abc"), 64) == b"abc" * 1000


def test_an_empty_tensor_has_no_runs() -> None:
    assert not list(gather.runs(gather.Strided((0, 3), (1, 1), 0, 4), BytesSource(b"")))
