"""Every digest that model sites use, in one pass: over a file, or over bytes as they arrive.

AutoV1 is sha256 of 64 KiB at 1 MiB (8 digits), AutoV2 of the file (10), AutoV3 of what follows a
safetensors header (12). AutoV1 collides between real files: a hint, never an identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from queue import SimpleQueue
from threading import BoundedSemaphore, Thread

import blake3

from scanner.crc import crc32
from scanner.errors import OTHER_FILE, EngineError
from scanner.report import Hashes
from scanner.source import Source

Progress = Callable[[int, int], None]
Feed = Callable[[bytes], object]

#: Large enough that handing a block over costs little, small enough for the cache.
_BLOCK = 1024 * 1024
#: Blocks that wait for the slower digest; the memory this takes is a few of them.
_WAITING = 8
#: What is shorter is digested before a thread would have started.
_ALONE = 4 * _BLOCK

_AUTOV1_AT = 1024 * 1024
_AUTOV1_END = _AUTOV1_AT + 64 * 1024
_AUTOV1_LEAST = 2 * 1024 * 1024

#: A safetensors file begins with its header's length in eight bytes, then JSON.
_LENGTH = 8
#: The longest header that loaders take.
_LONGEST = 100_000_000


class _Checksum:
    """crc32 with a digest's manners."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, block: bytes) -> None:
        self.value = crc32(block, self.value)


class _Follower:
    """A thread that feeds a digest; hashing lets go of the interpreter lock."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._blocks: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = BoundedSemaphore(_WAITING)
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            try:
                if self._failure is None:
                    self._feed(block)
            except BaseException as error:
                # Kept, and raised where the digest is asked for.
                self._failure = error
            finally:
                self._room.release()

    def put(self, block: bytes) -> None:
        self._room.acquire()
        self._blocks.put(block)

    def finish(self) -> None:
        self._blocks.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure


class Digests:
    """The digests of bytes that come one block after the other; ``done`` counts them.

    Without ``data_offset`` bytes that begin as a safetensors file does have an AutoV3, which is
    true if they are one: whoever reads the file knows. Large inputs are digested by threads of
    their own, which ``hashes`` and ``close`` end.
    """

    def __init__(self, *, data_offset: int | None = None, guess: bool = True) -> None:
        self.done = 0
        self._start = data_offset
        self._head: bytes | None = b"" if guess and data_offset is None else None
        self._whole, self._tail, self._part = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._blake3, self._crc = blake3.blake3(), _Checksum()
        self._feeds: tuple[Feed, ...] = (self._whole.update, self._light, self._tail.update)
        self._followers: list[_Follower] = []
        self._alone = True

    def update(self, block: bytes) -> None:
        """The next bytes; they must not change afterwards."""
        if self._head is not None:
            self._head += block[: _LENGTH + 1]
            if len(self._head) > _LENGTH:
                # Never before the ninth byte: what came already is no part of the data.
                self._start, self._head = _data_offset(self._head), None
        if self._alone and self.done >= _ALONE:
            self._follow()
        whole, light, tail = self._feeds
        whole(block)
        light(block)
        start, self.done = self.done, self.done + len(block)
        if self._start is not None and self.done > self._start:
            tail(block[max(0, self._start - start) :])
        if start < _AUTOV1_END and self.done > _AUTOV1_AT:
            self._part.update(block[max(0, _AUTOV1_AT - start) : _AUTOV1_END - start])

    def _light(self, block: bytes) -> None:
        self._blake3.update(block)
        self._crc.update(block)

    def _follow(self) -> None:
        """Go on beside the reader. A jail that allows no threads gets it inline."""
        self._alone = False
        running: list[Feed] = []
        for feed in self._feeds if self._start is not None else self._feeds[:2]:
            try:
                self._followers.append(_Follower(feed))
                running.append(self._followers[-1].put)
            except RuntimeError:
                running.append(feed)
        whole, light, *tail = running
        self._feeds = (whole, light, tail[0] if tail else self._feeds[2])

    def hashes(self) -> Hashes:
        """What all the bytes come to. Nothing may follow."""
        self.close()
        sha256 = self._whole.hexdigest()
        has_data = self._start is not None and self.done >= self._start
        return Hashes(
            sha256=sha256,
            blake3=self._blake3.hexdigest(),
            crc32=f"{self._crc.value:08x}",
            autov1=self._part.hexdigest()[:8] if self.done >= _AUTOV1_LEAST else None,
            autov2=sha256[:10],
            autov3=self._tail.hexdigest()[:12] if has_data else None,
        )

    def close(self) -> None:
        """End the threads. Harmless when it was done before."""
        while self._followers:
            self._followers.pop().finish()


def _data_offset(head: bytes) -> int | None:
    length = int.from_bytes(head[:_LENGTH], "little")
    plausible = head[_LENGTH : _LENGTH + 1] == b"{" and length <= _LONGEST
    return _LENGTH + length if plausible else None


def digest(source: Source, *, data_offset: int | None, progress: Progress | None = None) -> Hashes:
    """All digests of ``source``. ``data_offset`` is the end of the safetensors header, None for
    any other format. ``progress`` is told bytes done and the size. Constant memory."""
    digests = Digests(data_offset=data_offset, guess=False)
    try:
        for block in source.chunks(0, source.size, _BLOCK):
            digests.update(block)
            if progress is not None:
                progress(digests.done, source.size)
        return digests.hashes()
    finally:
        digests.close()


def checked(
    source: Source, given: Hashes, *, data_offset: int | None, progress: Progress | None = None
) -> Hashes:
    """What ``digest`` would say, of which the caller knows the long part: it is ``given`` where its
    CRC-32 fits the bytes. ``EngineError("hashes.other_file")`` where it does not."""
    if data_offset is not None and given.autov3 is None:
        return digest(source, data_offset=data_offset, progress=progress)
    crc, done = _Checksum(), 0
    for block in source.chunks():
        crc.update(block)
        done += len(block)
        if progress is not None:
            progress(done, source.size)
    if f"{crc.value:08x}" != given.crc32:
        raise EngineError(OTHER_FILE, "the digests that were given are of another file")
    return given if data_offset is not None else given._replace(autov3=None)
