"""What the pass over the weights found, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from scanner.crc import crc32
from scanner.errors import FileError
from scanner.health.blocks import Scan
from scanner.weights import Feed, Span, blocks

#: Smaller tensors are alike by chance: norms of ones, biases of zeros.
_DUPLICATE_LEAST = 4096


class Pass(NamedTuple):
    """``scans`` by tensor name; ``unreadable`` are tensors whose bytes could not be read;
    ``duplicates`` are groups of names with the same values stored more than once."""

    scans: Mapping[str, Scan]
    unreadable: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]


class Values:
    """A reader of weights that looks at every value once; aliases share what is found."""

    def __init__(self, *, big_endian: bool) -> None:
        self._big_endian = big_endian
        self._scans: dict[str, Scan] = {}
        self._distinct: list[tuple[Span, Scan]] = []

    def begin(self, spans: Sequence[Span]) -> Feed:
        scan = Scan(spans[0].tensor.dtype)
        self._distinct.append((spans[0], scan))
        self._scans.update((span.tensor.name, scan) for span in spans)
        return lambda block: scan.feed(block, self._big_endian)

    def found(self, unreadable: tuple[str, ...]) -> Pass:
        """What there is to say after the pass, which could not read some tensors."""
        lost = set(unreadable)
        scans = {name: scan for name, scan in self._scans.items() if name not in lost}
        seen = [item for item in self._distinct if item[0].tensor.name not in lost]
        return Pass(scans, unreadable, tuple(_duplicates(seen)))


def _duplicates(seen: list[tuple[Span, Scan]]) -> Iterator[tuple[str, ...]]:
    """Tensors stored twice: those that begin and end alike are summed, the rest never read."""
    alike: dict[tuple[str, int, bytes, bytes], list[Span]] = {}
    for place, scan in seen:
        if place.length >= _DUPLICATE_LEAST and scan.constant is None:
            key = (place.tensor.dtype, place.length, scan.head, scan.tail)
            alike.setdefault(key, []).append(place)
    for group in alike.values():
        if len(group) > 1:
            yield from _same(group)


def _same(group: list[Span]) -> Iterator[tuple[str, ...]]:
    sums: dict[int, list[str]] = {}
    for place in group:
        crc = 0
        try:
            for block in blocks(place):
                crc = crc32(block, crc)
        except FileError:
            continue
        sums.setdefault(crc, []).append(place.tensor.name)
    yield from (tuple(names) for names in sums.values() if len(names) > 1)
