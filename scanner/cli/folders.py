"""Which files the named paths stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """``left_out`` counts what was passed over in folders, by what it was; ``unread`` are folders
    that could not be opened, with the reason."""

    files: list[Path]
    left_out: dict[str, int]
    unread: list[tuple[Path, str]]


def files(paths: Iterable[Path]) -> Found:
    """The files as given, and those in folders, sorted. In folders, links to files are followed and
    links to folders are not; what is hidden, and what is no file, is left out and counted."""
    found = Found([], {}, [])
    for path in paths:
        if path.is_dir():
            _walk(path, found)
        else:
            found.files.append(path)
    return found


def _walk(top: Path, found: Found) -> None:
    def failed(error: OSError) -> None:
        found.unread.append((Path(error.filename), error.strerror or "cannot be read"))

    for folder, folders, names in os.walk(top, onerror=failed):
        for name in folders:
            if name.startswith("."):
                _leave_out(found, "hidden folder")
            elif Path(folder, name).is_symlink():
                _leave_out(found, "link to a folder")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith("."):
                _leave_out(found, "hidden file")
            elif path.is_file():
                found.files.append(path)
            else:
                _leave_out(found, "broken link" if path.is_symlink() else "pipe, socket or device")


def _leave_out(found: Found, what: str) -> None:
    found.left_out[what] = found.left_out.get(what, 0) + 1
