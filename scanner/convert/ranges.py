"""Bytes from one open file to another, without passing through Python where the kernel can."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from scanner.errors import FileError
from scanner.source import CHUNK

#: What one call copies, so that progress moves and a signal is heard.
_PIECE = 32 * 1024 * 1024
#: The file system, the kernel or the jail has no such call: the next way is tried.
_UNABLE = frozenset({
    errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF,
    errno.ETXTBSY,
})  # fmt: skip

Done = Callable[[int], None]
Way = Callable[[int, int, int, int, int], int]


def _copy_range(source: int, target: int, start: int, to: int, length: int) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "only Linux has copy_file_range")
    return os.copy_file_range(source, target, length, start, to)


def _send(source: int, target: int, start: int, to: int, length: int) -> int:
    # sendfile writes at the descriptor's own position.
    os.lseek(target, to, os.SEEK_SET)
    return os.sendfile(target, source, start, length)


def _loop(source: int, target: int, start: int, to: int, length: int) -> int:
    return os.pwrite(target, os.pread(source, min(length, CHUNK), start), to)


_WAYS: tuple[Way, ...] = (_copy_range, _send, _loop)


class Copier:
    """Copies ranges from one file to another by the first way that works, and remembers it."""

    def __init__(self, ways: tuple[Way, ...] = _WAYS) -> None:
        self._ways = list(ways)

    def copy(self, source: int, target: int, start: int, to: int, length: int, done: Done) -> None:
        """``length`` bytes from ``start`` of one to ``to`` of the other. Raises
        ``FileError("read.short")`` when the source ends early, OSError as the last way does."""
        while length:
            copied = self._some(source, target, start, to, min(length, _PIECE))
            if not copied:
                raise FileError("read.short", f"{length} bytes missing at {start}")
            start += copied
            to += copied
            length -= copied
            done(copied)

    def _some(self, source: int, target: int, start: int, to: int, length: int) -> int:
        while True:
            try:
                copied = self._ways[0](source, target, start, to, length)
            except OSError as error:
                if error.errno not in _UNABLE or len(self._ways) == 1:
                    raise
            else:
                # Some file systems answer 0 instead of saying that they cannot.
                if copied or len(self._ways) == 1:
                    return copied
            del self._ways[0]


def write_all(target: int, data: bytes | memoryview, to: int) -> None:
    """All of ``data`` at ``to``."""
    view = memoryview(data).cast("B")
    while view:
        written = os.pwrite(target, view, to)
        view = view[written:]
        to += written
