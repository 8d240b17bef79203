"""Every way of copying gives the same bytes, and one that cannot gives way to the next."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from scanner.convert import ranges
from scanner.errors import FileError


def unable(*_: int) -> int:
    raise OSError(errno.EXDEV, "another file system")


def nothing(*_: int) -> int:
    return 0


def broken(*_: int) -> int:
    raise OSError(errno.EIO, "the disk is dying")


def copied(tmp_path: Path, *ways: ranges.Way, length: int = 900_000) -> tuple[bytes, list[int]]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(1_000_000))
    done: list[int] = []
    with source.open("rb") as reads, target.open("wb") as writes:
        copier = ranges.Copier(ways or ranges._WAYS)
        copier.copy(reads.fileno(), writes.fileno(), 100_000, 7, length, done.append)
    assert target.read_bytes()[7:] == source.read_bytes()[100_000:]
    return target.read_bytes(), done


@pytest.mark.parametrize("way", ranges._WAYS)
def test_each_way_copies_the_range_and_tells_how_far_it_is(tmp_path: Path, way: ranges.Way) -> None:
    _, done = copied(tmp_path, way)
    assert sum(done) == 900_000


@pytest.mark.parametrize("first", [unable, nothing])
def test_a_way_that_the_file_system_refuses_gives_way(tmp_path: Path, first: ranges.Way) -> None:
    copied(tmp_path, first, ranges._loop)


def test_a_real_failure_is_not_papered_over(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="dying"):
        copied(tmp_path, broken, ranges._loop)


def test_a_source_that_ends_early_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"read\.short"):
        copied(tmp_path, length=900_001)
