"""Blocks of a strided tensor, row-major, in bounded memory.

A transposed or sliced tensor is cut into blocks whose span in the storage, and whose own size,
stay under a budget; each is gathered with numpy and goes to the target in contiguous runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from scanner.source import Source
from scanner.tensors import contiguous_stride

BUDGET = 32 * 1024 * 1024

Raw = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Strided:
    """Shape, strides and offset count elements of ``item`` bytes."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    item: int

    @property
    def span(self) -> int:
        """Bytes from the first element to the end of the last."""
        last = sum(
            (length - 1) * step for length, step in zip(self.shape, self.stride, strict=True)
        )
        return (last + 1) * self.item


@dataclass(frozen=True, slots=True)
class _Block:
    starts: tuple[int, ...]
    view: Strided


def runs(whole: Strided, source: Source, budget: int = BUDGET) -> Iterator[tuple[int, bytes]]:
    """The tensor's bytes as (position in the row-major result, bytes), each position once."""
    if 0 in whole.shape:
        return
    into = contiguous_stride(whole.shape)
    for block in _blocks(_Block((0,) * len(whole.shape), whole), budget):
        values = _gathered(block.view, source)
        yield from _runs_of(block, values, whole.shape, into)


def in_order(whole: Strided, source: Source, budget: int = BUDGET) -> Iterator[bytes]:
    """The tensor's bytes from the first to the last, for a target that cannot be written in any
    other order."""
    size = prod(whole.shape) * whole.item
    if not size:
        return
    if size > budget and prod(whole.shape) > 1:
        for half in _halves(whole, next(at for at, length in enumerate(whole.shape) if length > 1)):
            yield from in_order(half, source, budget)
        return
    gathered = bytearray(size)
    for position, data in runs(whole, source, budget):
        gathered[position : position + len(data)] = data
    yield bytes(gathered)


def _halves(view: Strided, at: int) -> Iterator[Strided]:
    length = view.shape[at]
    for low, high in ((0, length // 2), (length // 2, length)):
        shape = (*view.shape[:at], high - low, *view.shape[at + 1 :])
        yield Strided(shape, view.stride, view.offset + low * view.stride[at], view.item)


def _blocks(block: _Block, budget: int) -> Iterator[_Block]:
    view = block.view
    size = prod(view.shape) * view.item
    if (view.span <= budget and size <= budget) or prod(view.shape) == 1:
        yield block
        return
    at = _where_to_cut(view, view.span > budget)
    first, second = _halves(view, at)
    cut = (*block.starts[:at], block.starts[at] + first.shape[at], *block.starts[at + 1 :])
    yield from _blocks(_Block(block.starts, first), budget)
    yield from _blocks(_Block(cut, second), budget)


def _where_to_cut(view: Strided, span_is_large: bool) -> int:
    """The dimension that reaches furthest through the storage; or, where only the result is large
    (an expanded tensor), the outermost, which leaves the runs long."""
    long = [at for at, length in enumerate(view.shape) if length > 1]
    if not span_is_large:
        return long[0]
    return max(long, key=lambda at: (view.shape[at] - 1) * view.stride[at])


def _gathered(view: Strided, source: Source) -> Raw:
    data = source.read(view.offset * view.item, view.span)
    flat = np.frombuffer(data, dtype=np.dtype((np.void, view.item)))
    steps = tuple(step * view.item for step in view.stride)
    strided = np.lib.stride_tricks.as_strided(flat, view.shape, steps, writeable=False)
    return np.ascontiguousarray(strided).reshape(view.shape)


def _runs_of(
    block: _Block, values: Raw, shape: tuple[int, ...], into: tuple[int, ...]
) -> Iterator[tuple[int, bytes]]:
    """The block's bytes as runs that are contiguous in the result: trailing dimensions that the
    block holds whole belong to one run."""
    mine, item = block.view.shape, block.view.item
    cut = len(shape)
    while cut and mine[cut - 1] == shape[cut - 1]:
        cut -= 1
    # The innermost dimension that is not whole still is one stretch.
    outer = max(cut - 1, 0)
    for index in product(*(range(length) for length in mine[:outer])):
        inside = block.starts[outer:]
        place = tuple(start + at for start, at in zip(block.starts, index, strict=False)) + inside
        position = sum(start * step for start, step in zip(place, into, strict=True)) * item
        yield position, values[index].tobytes()
