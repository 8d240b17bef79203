from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from scanner.cli.opening import opened
from scanner.errors import EngineError


def refused(path: Path) -> str:
    with pytest.raises(EngineError) as caught, opened(path):
        pass
    assert caught.value.code == "read.failed"
    return caught.value.message


def test_an_ordinary_file_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    with opened(path) as fd:
        assert os.read(fd, 7) == b"weights"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
    assert refused(tmp_path) == f"{tmp_path}: a folder, not a file"
    for name in ("pipe", "socket"):
        assert refused(tmp_path / name).endswith(": a pipe, socket or device, not a file")
    assert refused(Path(os.devnull)) == "/dev/null: a pipe, socket or device, not a file"
    assert refused(tmp_path / "none").endswith(": No such file or directory")


def test_a_name_that_is_no_text_is_told_in_escapes() -> None:
    assert refused(Path(os.fsdecode(b"bad\xff"))).startswith("bad\\xff: ")
