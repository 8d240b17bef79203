"""A file that the user named, open for reading; whose fault it is when it is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.cli.words import readable
from scanner.errors import EngineError


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The descriptor of an ordinary file; ``EngineError("read.failed")`` for what is none."""
    try:
        # Asked first: opening a socket fails, and opening some devices does something.
        _refuse_others(path, os.stat(path).st_mode)  # noqa: PTH116 (as below)
        # A pipe without a writer, put there since, would keep us waiting for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise EngineError("read.failed", f"{readable(str(path))}: {why}") from error
    try:
        _refuse_others(path, os.fstat(fd).st_mode)
        yield fd
    finally:
        os.close(fd)


def _refuse_others(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise EngineError("read.failed", f"{readable(str(path))}: a folder, not a file")
    if not stat.S_ISREG(mode):
        raise EngineError(
            "read.failed", f"{readable(str(path))}: a pipe, socket or device, not a file"
        )
