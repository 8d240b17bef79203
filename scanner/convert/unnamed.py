"""A file beside the target that becomes the target at once, or was never there.

Where the file system can, it has no name until then: whatever ends this process, a power cut
included, leaves nothing to clear away. Elsewhere it is a hidden file.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.errors import EngineError

_DESCRIPTORS = Path("/proc/self/fd")
_MODE = 0o666  # less the umask, as any program's files


class Unnamed:
    """``fd`` is open for reading and writing; ``path`` the hidden name, if there is one yet."""

    def __init__(self, fd: int, path: Path | None) -> None:
        self.fd = fd
        self._path = path

    def become(self, target: Path) -> None:
        """Give the file the name ``target``, whatever had it, and make that last through a power
        cut."""
        try:
            if self._path is None:
                hidden = _hidden(target)
                # A name of its own first: linking does not replace what is there.
                _link(self.fd, hidden)
                self._path = hidden
            self._path.replace(target)
            _sync(target.parent)
        except OSError as error:
            raise _failed(target, error) from error

    def close(self) -> None:
        os.close(self.fd)
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@contextmanager
def beside(target: Path) -> Iterator[Unnamed]:
    """A new file on the target's file system, gone on leaving unless it became the target.
    ``EngineError`` (``convert.target``, ``disk.full``) where none can be made."""
    file = _without_a_name(target.parent) or _with_a_hidden_one(target)
    try:
        yield file
    finally:
        file.close()


def _without_a_name(folder: Path) -> Unnamed | None:
    if not hasattr(os, "O_TMPFILE") or not _DESCRIPTORS.is_dir():
        return None
    try:
        return Unnamed(os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, _MODE), None)
    except OSError:
        # Not every file system can; whether a file can be made at all is found out next.
        return None


def _with_a_hidden_one(target: Path) -> Unnamed:
    path = _hidden(target)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except OSError as error:
        raise _failed(target, error) from error
    return Unnamed(fd, path)


def _hidden(target: Path) -> Path:
    return target.with_name(f".weighhouse-{secrets.token_hex(6)}.part")


def _link(fd: int, path: Path) -> None:
    folder = os.open(_DESCRIPTORS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Python follows the link that the descriptor is only where a folder is given.
        os.link(str(fd), path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _failed(target: Path, error: OSError) -> EngineError:
    code = "disk.full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "convert.target"
    return EngineError(code, f"{target}: {error.strerror}")


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
