"""One pass over the weights, and what it found, tensor by tensor."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from scanner.errors import FileError
from scanner.health import blocks
from scanner.health.blocks import Scan, Span
from scanner.tensors import TensorTable

Progress = Callable[[int, int], None]

#: Smaller tensors are alike by chance: norms of ones, biases of zeros.
_DUPLICATE_LEAST = 4096


@dataclass(frozen=True, slots=True)
class Pass:
    """``scans`` by tensor name; ``unreadable`` are tensors whose bytes could not be read;
    ``duplicates`` are groups of names with the same values stored more than once."""

    scans: Mapping[str, Scan]
    unreadable: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]


def _spans(table: TensorTable) -> list[Span]:
    """In the order of the file, so that a disk reads forward and an inflated member once."""
    order: dict[str, int] = {}
    for tensor in table:
        order.setdefault(tensor.storage.key, len(order))
    spans = [place for tensor in table if (place := blocks.span(tensor)) is not None]
    spans.sort(key=lambda place: (_start(place), order[place.tensor.storage.key], place.offset))
    return spans


def _start(place: Span) -> int:
    at = place.tensor.storage.source.file_offset
    return -1 if at is None else at + place.offset


def scan(table: TensorTable, progress: Progress | None) -> Pass:
    """Look at every value once. Blocks of half a mebibyte; aliases are not read again."""
    spans = _spans(table)
    total = sum(place.length for place in spans)
    scans: dict[str, Scan] = {}
    seen: dict[tuple[str, int, int, str], Scan] = {}
    distinct: list[Span] = []
    unreadable: list[str] = []
    done = 0
    for place in spans:
        tensor = place.tensor
        key = (tensor.storage.key, place.offset, place.length, tensor.dtype)
        known = seen.get(key)
        if known is None:
            try:
                for block in blocks.blocks(place):
                    place.scan.feed(block, table.big_endian)
                    done += len(block)
                    if progress is not None:
                        progress(done, total)
            except FileError:
                unreadable.append(tensor.name)
                continue
            known = seen[key] = place.scan
            distinct.append(place)
        else:
            done += place.length
        scans[tensor.name] = known
    return Pass(scans, tuple(unreadable), tuple(_duplicates(distinct)))


def _duplicates(spans: list[Span]) -> Iterator[tuple[str, ...]]:
    """Tensors stored twice: those that begin and end alike are summed, the rest never read."""
    alike: dict[tuple[str, int, bytes, bytes], list[Span]] = {}
    for place in spans:
        if place.length >= _DUPLICATE_LEAST and place.scan.constant is None:
            key = (place.tensor.dtype, place.length, place.scan.head, place.scan.tail)
            alike.setdefault(key, []).append(place)
    for group in alike.values():
        if len(group) > 1:
            yield from _same(group)


def _same(group: list[Span]) -> Iterator[tuple[str, ...]]:
    sums: dict[int, list[str]] = {}
    for place in group:
        crc = 0
        try:
            for block in blocks.blocks(place):
                crc = zlib.crc32(block, crc)
        except FileError:
            continue
        sums.setdefault(crc, []).append(place.tensor.name)
    yield from (tuple(names) for names in sums.values() if len(names) > 1)
