"""WebP's container: every chunk is accounted for, the pixels are not read."""

from __future__ import annotations

import struct

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.report import Format
from scanner.source import Source

_KNOWN = frozenset(
    (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP")
)
_METADATA = (b"EXIF", b"XMP ", b"ICCP")
_MOST_CHUNKS = 100_000


def plausible(source: Source) -> bool:
    head = source.peek(0, 12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def read(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    collector.extents.append(Extent(0, 12, Part.HEADER))
    collector.note("picture", "WebP: an embedding in its pixels would not be seen.")
    end = 8 + int.from_bytes(source.read(4, 4), "little")
    try:
        if end > source.size:
            raise FileError("webp.size", "It ends too early.")
        at = 12
        for _ in range(_MOST_CHUNKS):
            if at >= end:
                break
            kind, size = struct.unpack("<4sI", source.read(at, 8))
            source.window(at + 8, size)
            collector.extents.append(Extent(at, 8, Part.HEADER))
            # A chunk of an odd length is filled up by one byte.
            collector.extents.append(Extent(at + 8, size + size % 2, Part.OTHER))
            if kind not in _KNOWN:
                collector.note("picture-chunk", argument=kind.decode("latin-1"), offset=at)
            if kind in _METADATA or kind not in _KNOWN:
                collector.search(at + 8, size, kind.decode("latin-1"))
            at += 8 + size + size % 2
    except FileError as error:
        collector.failed(error, rule="picture-broken")
    return collector.contents(Format.IMAGE)
