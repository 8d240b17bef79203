"""The blob store, on a local disk and on a real S3 server."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.storage import storages
from pytest_django.fixtures import Settings

from registry import blobs
from registry.errors import EngineError, UserError
from tests.services import BUCKET

DATA = b"weights" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["local", "s3"])
def store(
    request: pytest.FixtureRequest,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """An empty store of either kind."""
    options: dict[str, object] = {"location": str(tmp_path / "blobs")}
    backend = "django.core.files.storage.FileSystemStorage"
    if request.param == "s3":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        backend = "storages.backends.s3.S3Storage"
        options = {
            "bucket_name": BUCKET,
            # Tests share the server, each below a prefix of its own.
            "location": f"test-{time.monotonic_ns()}",
            "endpoint_url": request.getfixturevalue("s3"),
            "file_overwrite": True,
        }
    settings.SCRATCH = tmp_path / "scratch"
    settings.STORAGES = {**settings.STORAGES, "blobs": {"BACKEND": backend, "OPTIONS": options}}
    yield request.param


def incoming(data: bytes = DATA) -> str:
    """``data`` placed in the store; its digest."""
    with blobs.Incoming() as arriving:
        arriving.write(data)
        arriving.finish()
        blobs.place(arriving.path, arriving.digest)
        return arriving.digest


def test_what_is_placed_can_be_read_and_is_not_public(store: str) -> None:
    assert incoming() == DIGEST
    assert blobs.exists(DIGEST)
    assert not blobs.is_public(DIGEST)
    with blobs.open_any(DIGEST) as file:
        assert file.read() == DATA
    with pytest.raises(EngineError, match=r"blob\.not_public"):
        blobs.open_public(DIGEST)


def test_placing_twice_keeps_one_and_leaves_nothing_in_scratch(store: str) -> None:
    incoming()
    incoming()
    assert list(blobs.scratch().iterdir()) == []
    with blobs.open_any(DIGEST) as file:
        assert file.read() == DATA


def test_exposing_moves_it_and_confining_moves_it_back(store: str) -> None:
    incoming()
    blobs.expose(DIGEST)
    blobs.expose(DIGEST)
    assert blobs.is_public(DIGEST)
    with blobs.open_public(DIGEST) as file:
        assert file.read() == DATA
    blobs.confine(DIGEST)
    blobs.confine(DIGEST)
    assert not blobs.is_public(DIGEST)
    assert blobs.exists(DIGEST)


def test_placing_again_does_not_take_a_public_one_away(store: str) -> None:
    incoming()
    blobs.expose(DIGEST)
    incoming()
    assert blobs.is_public(DIGEST)


def test_deleting_removes_it_from_both_places_and_may_be_done_twice(store: str) -> None:
    incoming()
    blobs.expose(DIGEST)
    blobs.delete(DIGEST)
    blobs.delete(DIGEST)
    assert not blobs.exists(DIGEST)
    with pytest.raises(EngineError, match=r"blob\.lost"):
        blobs.open_any(DIGEST)


def test_one_that_is_lost_is_an_error_of_ours(store: str) -> None:
    with pytest.raises(EngineError, match=r"blob\.lost"):
        blobs.expose(DIGEST)


def test_a_local_copy_outlives_a_move_and_goes_with_its_block(store: str, tmp_path: Path) -> None:
    incoming()
    with blobs.local_copy(DIGEST, tmp_path) as path:
        blobs.expose(DIGEST)
        assert path.read_bytes() == DATA
    assert not path.exists()
    assert blobs.is_public(DIGEST)


def test_a_copy_of_nothing_is_an_error_and_leaves_nothing(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(EngineError, match=r"blob\.lost"), blobs.local_copy(DIGEST, folder):
        pass
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a" * 63, "A" * 64, "../" + "a" * 61])
def test_only_a_digest_becomes_a_path(store: str, name: str) -> None:
    with pytest.raises(ValueError, match="not a sha256"):
        blobs.exists(name)


def test_too_much_is_refused_and_nothing_is_left(store: str) -> None:
    with (
        pytest.raises(UserError, match=r"file\.too_large"),
        blobs.Incoming(limit=10) as arriving,
    ):
        arriving.write(b"x" * 11)
    assert list(blobs.scratch().iterdir()) == []


def test_a_full_disk_is_said_and_nothing_is_left(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 (Incoming closes it)
    with pytest.raises(UserError, match=r"disk\.full"), blobs.Incoming() as arriving:
        monkeypatch.setattr(arriving, "_file", full)
        arriving.write(DATA)
    assert list(blobs.scratch().iterdir()) == []


def test_sweeping_takes_old_leftovers_and_leaves_work_under_way(store: str) -> None:
    old, new = blobs.scratch() / "in-old", blobs.scratch() / "in-new"
    folder = blobs.scratch() / "work-old"
    folder.mkdir()
    old.touch()
    for path in (old, folder):
        os.utime(path, (1, 1))
    new.touch()
    assert blobs.sweep_scratch(time.time() - 60) == 2
    assert list(blobs.scratch().iterdir()) == [new]


def test_a_part_is_read_without_what_stands_before_it(store: str) -> None:
    data = bytes(range(256)) * 8192  # 2 MiB: more than any buffer on the way
    digest = incoming(data)
    with blobs.open_any(digest) as file:
        file.seek(1_000_001)
        assert file.read(10) == data[1_000_001:1_000_011]
        file.seek(-3, os.SEEK_END)
        assert file.read() == data[-3:]
        file.seek(0)
        assert hashlib.sha256(file.read()).hexdigest() == digest


def test_every_digest_of_what_arrived_is_known(store: str) -> None:
    data = (100).to_bytes(8, "little") + b"{" + bytes(99) + DATA
    with blobs.Incoming() as arriving:
        for start in range(0, len(data), 1000):
            arriving.write(data[start : start + 1000])
        assert arriving.hashes.sha256 == arriving.digest == hashlib.sha256(data).hexdigest()
        assert arriving.hashes.autov3 == hashlib.sha256(DATA).hexdigest()[:12]
        assert arriving.hashes.crc32 == f"{zlib.crc32(data):08x}"


def test_a_remote_file_that_changed_is_not_handed_on(store: str, tmp_path: Path) -> None:
    digest = incoming()
    if store == "s3":
        storages["blobs"].save(
            f"quarantine/{digest[:2]}/{digest[2:4]}/{digest}", File(BytesIO(b"x"))
        )
        with pytest.raises(EngineError, match=r"blob\.damaged"), blobs.local_copy(digest, tmp_path):
            pass
    else:
        # On a local disk nothing is copied, and so nothing read: an inspection finds out.
        with blobs.local_copy(digest, tmp_path) as path:
            assert path.stat().st_nlink == 2
