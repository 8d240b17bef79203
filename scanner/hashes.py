"""Every digest that model sites use, in one pass over the file.

AutoV1 is sha256 of 64 KiB at 1 MiB (8 digits), AutoV2 of the file (10), AutoV3 of what follows a
safetensors header (12). AutoV1 collides between real files: a hint, never an identity.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import BoundedSemaphore, Thread

import blake3

from scanner.report import Hashes
from scanner.source import Source

Progress = Callable[[int, int], None]
Feed = Callable[[bytes], object]

#: Large enough that handing a block over costs little, small enough for the cache.
_BLOCK = 1024 * 1024
#: Blocks that wait for the slower digest; the memory this takes is a few of them.
_WAITING = 8

_AUTOV1_AT = 1024 * 1024
_AUTOV1_SIZE = 64 * 1024
_AUTOV1_LEAST = 2 * 1024 * 1024


class _Checksum:
    """crc32 with a digest's manners."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, block: bytes) -> None:
        self.value = zlib.crc32(block, self.value)


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


@contextmanager
def _following(feeds: tuple[Feed, ...]) -> Iterator[tuple[Feed, ...]]:
    """Feeds that run beside the reader. A jail that allows no threads gets them inline."""
    followers: list[_Follower] = []
    running: list[Feed] = []
    for feed in feeds:
        try:
            followers.append(_Follower(feed))
            running.append(followers[-1].put)
        except RuntimeError:
            running.append(feed)
    try:
        yield tuple(running)
    finally:
        for follower in followers:
            follower.finish()


def digest(source: Source, *, data_offset: int | None, progress: Progress | None = None) -> Hashes:
    """All digests of ``source``. ``data_offset`` is the end of the safetensors header, None for
    any other format. ``progress`` is told bytes done and the size. Constant memory."""
    whole, tail, block3, crc = hashlib.sha256(), hashlib.sha256(), blake3.blake3(), _Checksum()

    def light(block: bytes) -> None:
        block3.update(block)
        crc.update(block)

    done = 0
    feeds: tuple[Feed, ...] = (whole.update, light)
    if data_offset is not None:
        feeds = (*feeds, tail.update)
    with _following(feeds) as running:
        start = data_offset or 0
        for block in _blocks(source, start):
            for feed in running[:2] if done < start else running:
                feed(block)
            done += len(block)
            if progress is not None:
                progress(done, source.size)
    sha256 = whole.hexdigest()
    return Hashes(
        sha256=sha256,
        blake3=block3.hexdigest(),
        crc32=f"{crc.value:08x}",
        autov1=_autov1(source),
        autov2=sha256[:10],
        autov3=None if data_offset is None else tail.hexdigest()[:12],
    )


def _blocks(source: Source, border: int) -> Iterator[bytes]:
    """The file's bytes, with a block that begins exactly at the border."""
    if border:
        yield from source.chunks(0, border, _BLOCK)
    yield from source.chunks(border, source.size - border, _BLOCK)


def _autov1(source: Source) -> str | None:
    if source.size < _AUTOV1_LEAST:
        return None
    return hashlib.sha256(source.read(_AUTOV1_AT, _AUTOV1_SIZE)).hexdigest()[:8]
