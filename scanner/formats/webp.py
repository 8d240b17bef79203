"""WebP: every chunk is accounted for, and lossless pixels are looked into for an embedding. In
lossy ones none could survive."""

from __future__ import annotations

import struct

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import embedded, vp8l
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.report import Format
from scanner.source import Source
from scanner.tensors import TensorTable

_KNOWN = frozenset(
    (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ", b"ICCP")
)
_METADATA = (b"EXIF", b"XMP ", b"ICCP")
_MOST_CHUNKS = 100_000
#: Pixels are unpacked one by one: so many take two seconds.
_MOST_PIXELS = 400_000
_MOST_BYTES = 8 * _MOST_PIXELS


def plausible(source: Source) -> bool:
    head = source.peek(0, 12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def read(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    collector.extents.append(Extent(0, 12, Part.HEADER))
    table: TensorTable | None = None
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
            if kind == b"VP8L" and table is None:
                table = _in_pixels(source.window(at + 8, size), collector)
            if kind in _METADATA or kind not in _KNOWN:
                collector.search(at + 8, size, kind.decode("latin-1"))
            at += 8 + size + size % 2
    except FileError as error:
        collector.failed(error, rule="picture-broken")
    if table is None:
        collector.note("picture", "WebP.")
    else:
        collector.note("picture-embedding", f"{len(table)} tensors.")
    return collector.contents(Format.IMAGE, table)


def _in_pixels(chunk: Source, collector: Collector) -> TensorTable | None:
    width, height = vp8l.size(chunk.peek(0, 16))
    if width * height > _MOST_PIXELS:
        return None
    # Pixels that take more bytes than they have numbers are no picture.
    data = chunk.peek(0, _MOST_BYTES)
    picture = vp8l.decode(data)
    if picture.used < chunk.size:
        collector.note("picture-broken", "Bytes behind its packed pixels.")
        collector.search_bytes(data[picture.used :], "behind the pixels")
    return embedded.in_pixels(picture.rows(), width, collector.place.limits)
