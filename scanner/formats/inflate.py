"""Packed bytes, unpacked within bounds."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

from scanner.errors import FileError, LimitExceeded
from scanner.formats.zip_records import BZIP2, DEFLATED, LZMA, STORED
from scanner.source import CHUNK, BytesSource, InflatedSource, Source

#: Bytes that an LZMA stream may keep in memory to refer back to.
_LARGEST_DICTIONARY = 64 << 20


class _Unpacker(Protocol):
    """The part of the standard library's decompressors that is used."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Unpacked(NamedTuple):
    """``used`` counts the packed bytes that belong to the stream."""

    data: bytes
    used: int
    complete: bool


class _Zlib:
    """zlib's object with the interface of the other two: it keeps its own unread input."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _zip_lzma(source: Source) -> lzma.LZMADecompressor:
    """zip's LZMA: two bytes of version, two of length, then the filter's five properties."""
    head = source.read(0, 9)
    if int.from_bytes(head[2:4], "little") != 5 or head[4] >= 225:
        raise FileError("lzma.broken", "odd LZMA properties")
    properties, dictionary = head[4], int.from_bytes(head[5:9], "little")
    if dictionary > _LARGEST_DICTIONARY:
        raise LimitExceeded("lzma_dictionary", _LARGEST_DICTIONARY)
    options = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(dictionary, 4096),
        "lc": properties % 9,
        "lp": properties // 9 % 5,
        "pb": properties // 45,
    }
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])


def unpack(unpacker: _Unpacker, source: Source, start: int, limit: int) -> Unpacked:
    """Up to ``limit`` bytes; one more is ``LimitExceeded``."""
    parts: list[bytes] = []
    total, fed = 0, start
    try:
        while not unpacker.eof:
            data = b""
            if getattr(unpacker, "needs_input", True):
                data = source.peek(fed, CHUNK)
                fed += len(data)
                if not data:
                    break
            out = unpacker.decompress(data, min(limit - total + 1, CHUNK))
            total += len(out)
            if total > limit:
                raise LimitExceeded("pickle_bytes", limit, f"more than {limit} bytes unpacked")
            parts.append(out)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError, MemoryError) as error:
        raise FileError("packed.broken", str(error)[:200]) from error
    return Unpacked(b"".join(parts), fed - len(unpacker.unused_data), unpacker.eof)


class Wrapper(NamedTuple):
    """A way to pack a whole file. ``weak``: other files begin so too; ``rare``: only a stream that
    is whole is believed; ``skip``: bytes before the stream."""

    name: str
    magic: bytes
    make: Callable[[], _Unpacker]
    weak: bool = False
    rare: bool = False
    skip: int = 0


def _inflater() -> _Unpacker:
    return _Zlib(15)


def _lzma() -> _Unpacker:
    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)


_LZMA_MEMORY = 128 << 20
_USUAL = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
#: RFC 1950: a window of 256 bytes to 32 KiB, no dictionary, and a sum that 31 divides.
_ZLIB = tuple(
    bytes((window, flags))
    for window in range(0x08, 0x79, 0x10)
    for flags in range(256)
    if not flags & 0x20 and (window << 8 | flags) % 31 == 0
)
#: Whole-file wrappers by their first bytes.
WRAPPERS = (
    Wrapper("gzip", b"\x1f\x8b", lambda: _Zlib(31)),
    *(Wrapper("zlib", magic, _inflater, True, magic not in _USUAL) for magic in _ZLIB),
    Wrapper("bzip2", b"BZh", bz2.BZ2Decompressor),
    Wrapper("xz", b"\xfd7zXZ\x00", _lzma),
    Wrapper("lzma", b"\x5d\x00\x00", _lzma, weak=True),
    # joblib before 0.10: "ZF" and a length of 19 characters, then zlib.
    Wrapper("joblib", b"ZF0x", _inflater, weak=True, skip=21),
)


def unwrap(wrapper: Wrapper, source: Source, limit: int) -> Unpacked:
    """The bytes in the wrapper. Streams that follow one another are read as one, as Python's own
    readers do; whatever else follows is left."""
    skip = wrapper.skip
    if skip and source.peek(skip, 1) == b" ":
        skip += 1
    last = unpack(wrapper.make(), source, skip, limit)
    parts, left = [last.data], limit - len(last.data)
    while last.complete and source.peek(last.used, len(wrapper.magic)) == wrapper.magic:
        try:
            last = unpack(wrapper.make(), source, last.used, left)
        except LimitExceeded:
            raise
        except FileError:
            break
        parts.append(last.data)
        left -= len(last.data)
    return Unpacked(b"".join(parts), last.used, last.complete)


METHODS = (STORED, DEFLATED, BZIP2, LZMA)


def in_memory(packed: Source, method: int, limit: int) -> Source:
    """A zip member's bytes, unpacked at once, however many it claims."""
    if method == STORED:
        return packed
    if method == DEFLATED:
        return BytesSource(unpack(_Zlib(-15), packed, 0, limit).data)
    if method == BZIP2:
        return BytesSource(unpack(bz2.BZ2Decompressor(), packed, 0, limit).data)
    if method == LZMA:
        return BytesSource(unpack(_zip_lzma(packed), packed, 9, limit).data)
    raise FileError("zip.method", f"method {method}")


def on_demand(packed: Source, method: int, size: int) -> Source:
    """A member's bytes unpacked as they are read: tensors, in constant memory."""
    if method == STORED:
        return packed
    if method == DEFLATED:
        return InflatedSource(packed, size)
    raise FileError("zip.method", f"method {method} holds no tensors")
