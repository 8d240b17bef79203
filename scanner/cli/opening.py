"""A file that the user named, open for reading; whose fault it is when it is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.errors import EngineError


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The descriptor of an ordinary file; ``EngineError("read.failed")`` for what is none."""
    try:
        # A pipe without a writer would keep us waiting for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise EngineError("read.failed", f"{path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise EngineError("read.failed", f"{path}: not a file")
        yield fd
    finally:
        os.close(fd)
