"""PNG, as far as an embedding may lie in it: chunks, texts, and the pixels of plain pictures."""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from scanner.errors import FileError, LimitExceeded
from scanner.extents import Extent, Part
from scanner.formats import embedded
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.limits import Limits
from scanner.report import Format
from scanner.source import CHUNK, Source
from scanner.tensors import TensorTable

MAGIC = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"sd-ti-embedding"
_LARGEST = 512 << 20
#: Pixels are put together byte by byte: so many take a second.
_MOST_PIXEL_BYTES = 5 << 19
_MOST_CHUNKS = 100_000
_KNOWN = frozenset(
    b"IHDR PLTE IDAT IEND tEXt zTXt iTXt tRNS gAMA cHRM sRGB iCCP bKGD pHYs sBIT hIST tIME sPLT "
    b"eXIf acTL fcTL fdAT cICP mDCV cLLI oFFs sCAL caBX".split()
)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Interlaced pictures come in seven passes: first column and row, steps.
_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip


class _Chunk(NamedTuple):
    kind: bytes
    offset: int
    size: int


class _Picture(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def plain(self) -> bool:
        """Eight bits a channel, red, green and blue: what WebUI writes."""
        return self.depth == 8 and self.colour in (2, 6) and not self.interlaced

    @property
    def nbytes(self) -> int:
        """Unpacked, with the byte before each row that names its filter."""
        if not self.interlaced:
            return self._bytes(self.width, self.height)
        total = 0
        for left, top, across, down in _PASSES:
            width = (self.width - left + across - 1) // across
            total += self._bytes(width, (self.height - top + down - 1) // down)
        return total

    def _bytes(self, width: int, height: int) -> int:
        bits = width * self.depth * _CHANNELS[self.colour]
        return height * (1 + (bits + 7) // 8) if width > 0 and height > 0 else 0


def plausible(source: Source) -> bool:
    return source.peek(0, 8) == MAGIC


def read(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    collector.extents.append(Extent(0, len(MAGIC), Part.HEADER))
    chunks: list[_Chunk] = []
    table: TensorTable | None = None
    try:
        chunks += _chunks(source, collector)
        picture = _header(source, chunks)
        table = _from_texts(source, chunks, collector)
        pixels = _unpacked(source, chunks, picture, collector)
        if table is None and pixels is not None:
            table = _from_pixels(pixels, picture, place.limits)
    except FileError as error:
        collector.failed(error, rule="picture-broken")
        # Where its parts begin and end is not to be trusted either.
        collector.search(0, min(source.size, place.limits.pickle_bytes), "picture")
    if table is None:
        collector.note("picture", "PNG.")
    else:
        collector.note("picture-embedding", f"{len(table)} tensors.")
    for chunk in chunks:
        if chunk.kind not in (b"IDAT", b"fdAT") and chunk.size:
            collector.search(chunk.offset, chunk.size, chunk.kind.decode("latin-1"))
    return collector.contents(Format.IMAGE, table)


def _chunks(source: Source, collector: Collector) -> Iterator[_Chunk]:
    """The chunks up to the last, each with its checksum proven; the bytes behind belong to none."""
    at = len(MAGIC)
    for _ in range(_MOST_CHUNKS):
        size, kind = struct.unpack(">I4s", source.read(at, 8))
        body = source.window(at + 8, size)
        crc32 = zlib.crc32(kind)
        for data in body.chunks():
            crc32 = zlib.crc32(data, crc32)
        collector.extents.append(Extent(at, 8, Part.HEADER))
        collector.extents.append(Extent(at + 8, size, Part.OTHER))
        collector.extents.append(Extent(at + 8 + size, 4, Part.HEADER))
        if crc32 != int.from_bytes(source.read(at + 8 + size, 4), "big"):
            collector.note("picture-broken", "A checksum does not match.", offset=at)
        if kind not in _KNOWN:
            collector.note("picture-chunk", argument=kind.decode("latin-1"), offset=at)
        yield _Chunk(kind, at + 8, size)
        at += 12 + size
        if kind == b"IEND":
            return
    raise LimitExceeded("picture_chunks", _MOST_CHUNKS, "too many chunks")


def _header(source: Source, chunks: list[_Chunk]) -> _Picture:
    if not chunks or chunks[0].kind != b"IHDR" or chunks[0].size != 13:
        raise FileError("png.header", "It does not begin with its header.")
    width, height, depth, colour, packing, filters, interlaced = struct.unpack(
        ">IIBBBBB", source.read(chunks[0].offset, 13)
    )
    known = depth in (1, 2, 4, 8, 16) and colour in _CHANNELS
    if not known or packing or filters or interlaced > 1 or not width or not height:
        raise FileError("png.header", "Its header is not sane.")
    return _Picture(width, height, depth, colour, bool(interlaced))


# -- texts ---------------------------------------------------------------------------------------


def _from_texts(source: Source, chunks: list[_Chunk], collector: Collector) -> TensorTable | None:
    """Of several texts the last one counts, as for WebUI; all of them are read."""
    table = None
    for chunk in chunks:
        if chunk.kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        if source.peek(chunk.offset, min(chunk.size, 16)) != _KEYWORD + b"\0":
            continue
        if table is not None:
            collector.note("picture-chunk", "Two embeddings.", offset=chunk.offset)
        limits = collector.place.limits
        text = _text(chunk.kind, source, chunk, limits)
        try:
            table = embedded.table(binascii.a2b_base64(text), limits)
        except binascii.Error as error:
            raise FileError("embedding.base64", str(error)) from error
    return table


def _text(kind: bytes, source: Source, chunk: _Chunk, limits: Limits) -> bytes:
    if chunk.size > limits.string_bytes:
        raise LimitExceeded("string_bytes", limits.string_bytes, f"a text of {chunk.size} bytes")
    body = source.read(chunk.offset, chunk.size)[len(_KEYWORD) + 1 :]
    if kind == b"tEXt":
        return body
    if kind == b"zTXt":
        return _inflated(body[1:], limits)
    # iTXt: whether it is packed, how, then a language and a translated keyword.
    packed, rest = body[:1] == b"\1", body[2:]
    parts = rest.split(b"\0", 2)
    if len(parts) != 3:
        raise FileError("png.text", "A text without its language.")
    return _inflated(parts[2], limits) if packed else parts[2]


def _inflated(data: bytes, limits: Limits) -> bytes:
    try:
        inflater = zlib.decompressobj()
        out = inflater.decompress(data, limits.string_bytes)
    except zlib.error as error:
        raise FileError("png.text", str(error)) from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise FileError("png.text", "A packed text that does not end.")
    return out


# -- pixels --------------------------------------------------------------------------------------


def _unpacked(
    source: Source, chunks: list[_Chunk], picture: _Picture, collector: Collector
) -> bytes | None:
    """The rows with their filters, where they are few enough to be looked into; proven to be as
    many bytes as the header says, with nothing behind them."""
    if picture.nbytes > _LARGEST:
        raise LimitExceeded("picture_bytes", _LARGEST, "a picture of enormous size")
    keep = picture.plain and picture.nbytes <= _MOST_PIXEL_BYTES
    inflater = zlib.decompressobj()
    kept: list[bytes] = []
    total = 0
    for chunk in chunks:
        if chunk.kind != b"IDAT":
            continue
        for data in source.chunks(chunk.offset, chunk.size):
            total += _feed(inflater, data, kept if keep else None, picture.nbytes - total)
            if inflater.unused_data:
                break
    if inflater.unused_data:
        collector.note("picture-broken", "Bytes behind its packed pixels.")
        collector.search_bytes(inflater.unused_data, "behind the pixels")
    if total != picture.nbytes or not inflater.eof:
        collector.note("picture-broken", f"{total} bytes of pixels, not {picture.nbytes}.")
        return None
    return b"".join(kept) if keep else None


def _feed(inflater: zlib._Decompress, data: bytes, kept: list[bytes] | None, most: int) -> int:
    total = 0
    try:
        while data:
            out = inflater.decompress(data, CHUNK)
            data = inflater.unconsumed_tail
            total += len(out)
            if total > most:
                raise FileError("png.pixels", "More pixels than its header says.")
            if kept is not None:
                kept.append(out)
    except zlib.error as error:
        raise FileError("png.pixels", str(error)) from error
    return total


def _from_pixels(data: bytes, picture: _Picture, limits: Limits) -> TensorTable | None:
    channels = _CHANNELS[picture.colour]
    rows = [_rgb(row, channels) for row in _rows(data, picture.width * channels, channels)]
    return embedded.in_pixels(rows, picture.width, limits)


def _rgb(row: bytearray, channels: int) -> bytes:
    if channels == 3:
        return bytes(row)
    kept = bytearray(len(row) // 4 * 3)
    for channel in range(3):
        kept[channel::3] = row[channel::4]
    return bytes(kept)


def _rows(data: bytes, length: int, step: int) -> Iterator[bytearray]:
    """The rows with their filters undone."""
    above = bytearray(length)
    for at in range(0, len(data), length + 1):
        row = bytearray(data[at + 1 : at + 1 + length])
        _undo(data[at], row, above, step)
        yield row
        above = row


def _undo(kind: int, row: bytearray, above: bytearray, step: int) -> None:
    if kind == 1:
        for at in range(step, len(row)):
            row[at] = row[at] + row[at - step] & 255
    elif kind == 2:
        for at, up in enumerate(above):
            row[at] = row[at] + up & 255
    elif kind == 3:
        for at in range(step):
            row[at] = row[at] + (above[at] >> 1) & 255
        for at in range(step, len(row)):
            row[at] = row[at] + (row[at - step] + above[at] >> 1) & 255
    elif kind == 4:
        _undo_paeth(row, above, step)
    elif kind:
        raise FileError("png.filter", f"Filter {kind}.")


def _undo_paeth(row: bytearray, above: bytearray, step: int) -> None:
    for at in range(step):
        row[at] = row[at] + above[at] & 255
    for at in range(step, len(row)):
        left, up, corner = row[at - step], above[at], above[at - step]
        by_left, by_up = up - corner, left - corner
        by_corner = abs(by_left + by_up)
        by_left, by_up = abs(by_left), abs(by_up)
        if by_left <= by_up and by_left <= by_corner:
            near = left
        else:
            near = up if by_up <= by_corner else corner
        row[at] = row[at] + near & 255
