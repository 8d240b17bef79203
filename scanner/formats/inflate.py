"""Packed bytes, unpacked within bounds."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

from scanner.errors import FileError, LimitExceeded
from scanner.formats.zip_records import BZIP2, DEFLATED, LZMA, STORED
from scanner.limits import Limits
from scanner.source import CHUNK, BytesSource, InflatedSource, Sequential, Source

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

    def copy(self) -> _Zlib:
        twin = _Zlib.__new__(_Zlib)
        twin._inner = self._inner.copy()
        return twin


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


#: Unpacked bytes between two places from which reading can be taken up again.
_STRIDE = 16 << 20
#: Unpacked bytes at a time where a stream is about to break.
_SMALL_STEP = 512
#: No tensors pack so well: a file that does is not unpacked to its end.
_BOMB_RATIO = 200
#: Streams that cannot be taken up in the middle are held in memory, up to here.
_MOST_HELD = 160 << 20


class _Held(Source):
    """Unpacked bytes in memory, without a second copy."""

    def __init__(self, data: bytearray) -> None:
        self.data = memoryview(data)
        self.size = len(data)
        self.file_offset = None

    def _pread(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])


class _Mark(NamedTuple):
    """A place to take up reading again: unpacked and packed offset, and the unpacker there."""

    at: int
    fed: int
    unpacker: _Unpacker


class Unwrapped(Sequential):
    """A packed file read as if it were not. Streams that follow one another are read as one, as
    Python's own readers do. It is unpacked once to learn its size; zlib's state is kept every
    16 MiB, so that a step back costs little, and memory stays constant."""

    def __init__(self, wrapper: Wrapper, source: Source, limits: Limits) -> None:
        self._wrapper = wrapper
        self._source = source
        self.file_offset = None
        skip = wrapper.skip
        if skip and source.peek(skip, 1) == b" ":
            skip += 1
        self._marks = [_Mark(0, skip, wrapper.make())]
        self._seek(0)
        self.size = 0
        #: Whether the last stream ends, and where.
        self.complete = False
        self.used = 0
        #: What was wrong where it breaks.
        self.broken = ""
        #: All of it in memory, where it is small enough.
        self.held: _Held | None = None
        self._measure(limits)

    def _seek(self, at: int) -> None:
        mark = max((mark for mark in self._marks if mark.at <= at), key=lambda mark: mark.at)
        self._at, self._fed = mark.at, mark.fed
        self._unpacker = _copy(mark.unpacker) or self._wrapper.make()

    def _measure(self, limits: Limits) -> None:
        """Unpacks it once, to its end or to where it breaks."""
        held: bytearray | None = bytearray()
        streams = isinstance(self._unpacker, _Zlib)
        most = limits.pickle_bytes if streams else _MOST_HELD
        try:
            while data := self._next(CHUNK):
                if self._at > limits.inflated_bytes or self._is_bomb(limits):
                    raise LimitExceeded("inflated_bytes", limits.inflated_bytes, self._too_much())
                if held is not None:
                    held += data
                    if len(held) > most and not streams:
                        raise LimitExceeded("held_bytes", _MOST_HELD, self._too_much())
                    held = held if len(held) <= most else None
                self._mark()
        except FileError as error:
            if isinstance(error, LimitExceeded):
                raise
            if held is not None:
                held += self._before_break()
            if not self._at:
                raise
            self.broken = error.message
        self.size = self._at
        self.complete = self._unpacker.eof and not self.broken
        self.used = self._fed - len(self._unpacker.unused_data)
        self.held = None if held is None else _Held(held)
        self._seek(0)

    def _before_break(self) -> bytes:
        """What the last step unpacked before it failed, a wrong checksum being the last thing that
        is read: a loader has it, too. So it is gone again in small steps."""
        known = self._at
        self._seek(known)
        while self._at < known:
            self._next(CHUNK)
        parts: list[bytes] = []
        try:
            while data := self._next(_SMALL_STEP, 1):
                parts.append(data)
        except FileError:
            return b"".join(parts)
        return b"".join(parts)

    def _mark(self) -> None:
        if self._at - self._marks[-1].at >= _STRIDE and self._at_rest():
            copy = _copy(self._unpacker)
            if copy is not None:
                self._marks.append(_Mark(self._at, self._fed, copy))

    def _is_bomb(self, limits: Limits) -> bool:
        return self._at > limits.pickle_bytes and self._at > _BOMB_RATIO * self._fed

    def _too_much(self) -> str:
        return f"{self._fed} packed bytes become more than {self._at}"

    def _at_rest(self) -> bool:
        """Whether the unpacker has taken all that it was given."""
        return not self._unpacker.eof and getattr(self._unpacker, "needs_input", True)

    def _next(self, most: int, fed: int = CHUNK) -> bytes:
        """The next bytes, ``fed`` packed ones at a time; empty at the end, and where the stream
        breaks after its beginning."""
        try:
            while True:
                if self._unpacker.eof and not self._follow():
                    return b""
                data = b""
                if getattr(self._unpacker, "needs_input", True):
                    data = self._source.peek(self._fed, fed)
                    self._fed += len(data)
                    if not data:
                        return b""
                out = self._unpacker.decompress(data, most)
                if out:
                    self._at += len(out)
                    return out
        except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
            raise FileError("packed.broken", str(error)[:200]) from error

    def _follow(self) -> bool:
        """Goes on with a stream that follows, if one does."""
        start = self._fed - len(self._unpacker.unused_data)
        magic = self._wrapper.magic
        if self._source.peek(start, len(magic)) != magic:
            return False
        following = self._wrapper.make()
        try:
            following.decompress(self._source.peek(start, CHUNK), 1)
        except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
            return False
        self._fed, self._unpacker = start, self._wrapper.make()
        return True

    def _near(self, offset: int) -> bool:
        return self._at <= offset <= self._at + _STRIDE


def _copy(unpacker: _Unpacker) -> _Unpacker | None:
    """Only zlib's can be copied."""
    return unpacker.copy() if isinstance(unpacker, _Zlib) else None


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
