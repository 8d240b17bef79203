from __future__ import annotations

import os
from pathlib import Path

import pytest

from scanner.cli import folders


def names(found: folders.Found) -> list[str]:
    return [path.name for path in found.files]


def test_folders_are_walked_in_order_and_files_taken_as_they_are(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = folders.files([tmp_path / "c", tmp_path, tmp_path / "none"])
    assert names(found) == ["c", "c", "3", "1", "2", "none"]
    assert found.left_out == {}


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".hidden").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "model").touch()
    found = folders.files([tmp_path])
    assert names(found) == ["model"]
    assert found.left_out == {
        "hidden folder": 1, "hidden file": 1, "pipe, socket or device": 1, "broken link": 1,
        "link to a folder": 1,
    }  # fmt: skip


def test_a_link_to_a_file_is_followed_as_a_hub_cache_has_them(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "abc").touch()
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "model.safetensors").symlink_to("../blobs/abc")
    assert names(folders.files([tmp_path / "snapshots"])) == ["model.safetensors"]


def test_a_folder_that_cannot_be_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    real = os.scandir

    def refused(path: str) -> object:
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    # As root every folder opens.
    monkeypatch.setattr(os, "scandir", refused)
    assert folders.files([tmp_path]).unread == [(locked, "Permission denied")]
