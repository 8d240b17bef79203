"""One pass over the weights for everybody who has to see every value.

Health and the fingerprints look at the same blocks, so a file is read for them once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from scanner.errors import FileError
from scanner.tensors import DTYPE_BITS, Tensor, TensorTable

Progress = Callable[[int, int], None]
Feed = Callable[[bytes], None]

#: Fits the second-level cache, so that the second look at a block is nearly free.
BLOCK = 512 * 1024


def prepare() -> ModuleType:
    """numpy, imported with one thread (its pools would count against a jail's limits). Call it
    before a jail shuts: afterwards no library can be opened."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import numpy

    return numpy


@dataclass(frozen=True, slots=True)
class Span:
    """Where a tensor's elements lie in its storage: ``length`` bytes from ``offset``."""

    tensor: Tensor
    offset: int
    length: int


class Reader(Protocol):
    """Wants to see values. ``begin`` is told of tensors that share one span of bytes, and answers
    what to hand its blocks to, or None."""

    def begin(self, spans: Sequence[Span]) -> Feed | None: ...


def span(tensor: Tensor) -> Span | None:
    """The bytes to look at; None for what has no plain elements, or gaps between them (those
    bytes are another tensor's)."""
    bits = DTYPE_BITS.get(tensor.dtype)
    if tensor.packed_bytes is not None or bits is None or bits % 8 or tensor.numel == 0:
        return None
    if bits > 64:
        return None
    reach = 1 + sum(
        (size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True)
    )
    # A transposed tensor fills its span; an expanded one repeats it.
    if reach > tensor.numel:
        return None
    return Span(tensor, tensor.byte_offset, reach * bits // 8)


def blocks(place: Span) -> Iterator[bytes]:
    yield from place.tensor.storage.source.chunks(place.offset, place.length, BLOCK)


def groups(table: TensorTable) -> list[list[Span]]:
    """Spans that are the same bytes, in the order of the file: a disk reads forward, and an
    inflated member is gone through once."""
    order: dict[str, int] = {}
    for tensor in table:
        order.setdefault(tensor.storage.key, len(order))
    spans = [place for tensor in table if (place := span(tensor)) is not None]
    spans.sort(key=lambda place: (_start(place), order[place.tensor.storage.key], place.offset))
    alike: dict[tuple[str, int, int, str], list[Span]] = {}
    for place in spans:
        key = (place.tensor.storage.key, place.offset, place.length, place.tensor.dtype)
        alike.setdefault(key, []).append(place)
    return list(alike.values())


def _start(place: Span) -> int:
    at = place.tensor.storage.source.file_offset
    return -1 if at is None else at + place.offset


def read(
    table: TensorTable, readers: Sequence[Reader], progress: Progress | None = None
) -> tuple[str, ...]:
    """Show every value to every reader that wants it; the names of tensors whose bytes cannot be
    read. ``progress`` is told bytes done and all."""
    every = groups(table)
    total = sum(group[0].length for group in every)
    unreadable: list[str] = []
    done = 0
    for group in every:
        feeds = [feed for reader in readers if (feed := reader.begin(group)) is not None]
        try:
            for block in blocks(group[0]) if feeds else ():
                for feed in feeds:
                    feed(block)
                if progress is not None:
                    progress(done := done + len(block), total)
        except FileError:
            unreadable += [place.tensor.name for place in group]
    return tuple(unreadable)
