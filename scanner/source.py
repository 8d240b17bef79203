"""Bounded random-access reads. Everything the engine knows of a file comes through here."""

from __future__ import annotations

import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

from scanner.errors import FileError

CHUNK = 256 * 1024  # measured: larger blocks fall out of the cache and are slower


class Source(ABC):
    """A run of ``size`` bytes. Offsets are relative to its start."""

    size: int
    #: Offset of this run in the file on disk, or None when the bytes were inflated.
    file_offset: int | None

    @abstractmethod
    def _pread(self, offset: int, length: int) -> bytes: ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``; ``FileError("read.beyond_end")`` otherwise."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FileError("read.beyond_end", f"bytes {offset}+{length} of {self.size}")
        data = self._pread(offset, length)
        if len(data) != length:
            raise FileError("read.short", f"{len(data)} of {length} bytes at {offset}")
        return data

    def peek(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; shorter, or empty, at the end."""
        if offset < 0 or offset >= self.size:
            return b""
        return self.read(offset, min(length, self.size - offset))

    def chunks(
        self, offset: int = 0, length: int | None = None, chunk: int = CHUNK
    ) -> Iterator[bytes]:
        """The bytes from ``offset`` on, ``chunk`` at a time."""
        end = self.size if length is None else offset + length
        while offset < end:
            data = self.read(offset, min(chunk, end - offset))
            yield data
            offset += len(data)

    def window(self, offset: int, length: int) -> Source:
        """A view of a part of this source; its bounds are proven here."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FileError("read.beyond_end", f"window {offset}+{length} of {self.size}")
        return Window(self, offset, length)


class FileSource(Source):
    """An open file, read by ``pread``: no shared position, nothing opened after the jail shut."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.file_offset = 0

    def _pread(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        while length:
            data = os.pread(self.fd, length, offset)
            if not data:
                break
            parts.append(data)
            offset += len(data)
            length -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class BytesSource(Source):
    """Bytes already in memory: small inflated members and tests."""

    def __init__(self, data: bytes, file_offset: int | None = None) -> None:
        self.data = data
        self.size = len(data)
        self.file_offset = file_offset

    def _pread(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


class Window(Source):
    """A part of another source."""

    parent: Source
    offset: int

    def __init__(self, parent: Source, offset: int, length: int) -> None:
        # Flatten, so that a window in a window costs one addition.
        if isinstance(parent, Window):
            offset += parent.offset
            parent = parent.parent
        self.parent = parent
        self.offset = offset
        self.size = length
        base = parent.file_offset
        self.file_offset = None if base is None else base + offset

    def _pread(self, offset: int, length: int) -> bytes:
        return self.parent._pread(self.offset + offset, length)


class Sequential(Source):
    """What can only be unpacked forwards, read as if it were not: a step back goes to a place
    before it, and forward from there."""

    #: Where ``_next`` goes on.
    _at: int

    @abstractmethod
    def _seek(self, at: int) -> None:
        """Go to a place that is not behind ``at``."""

    @abstractmethod
    def _next(self, limit: int) -> bytes:
        """The next up to ``limit`` bytes, empty at the end."""

    def _pread(self, offset: int, length: int) -> bytes:
        if not self._near(offset):
            self._seek(offset)
        while self._at < offset:
            if not self._next(min(CHUNK, offset - self._at)):
                return b""
        parts: list[bytes] = []
        while length:
            data = self._next(min(CHUNK, length))
            if not data:
                break
            parts.append(data)
            length -= len(data)
        return b"".join(parts)

    def _near(self, offset: int) -> bool:
        """Whether ``offset`` is reached by going on."""
        return offset >= self._at


class InflatedSource(Sequential):
    """A raw-deflate stream read as if it were stored: forward reads are cheap, a step back
    starts over. Constant memory. ``size`` is what the container claims; a stream that ends
    early raises ``FileError("read.short")``."""

    def __init__(self, packed: Source, size: int) -> None:
        self.packed = packed
        self.size = size
        self.file_offset = None
        self._seek(0)

    def _seek(self, at: int) -> None:
        self._inflater = zlib.decompressobj(-15)
        self._fed = 0
        self._at = 0
        self._pending = b""

    def _next(self, limit: int) -> bytes:
        """The next up to ``limit`` inflated bytes, empty at the end of the stream."""
        while True:
            if not self._pending and not self._inflater.unconsumed_tail:
                if self._inflater.eof or self._fed >= self.packed.size:
                    return b""
                self._pending = self.packed.peek(self._fed, CHUNK)
                self._fed += len(self._pending)
            data = self._inflater.unconsumed_tail + self._pending
            self._pending = b""
            try:
                out = self._inflater.decompress(data, limit)
            except zlib.error as error:
                # A reader may try again with less, and get what came before the break.
                self._seek(0)
                raise FileError("deflate.broken", str(error)) from error
            if out:
                self._at += len(out)
                return out
            if self._inflater.eof:
                return b""
