"""Full disks, limits, kills and targets that cannot be written: all or nothing, under one name."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scanner.convert import to_file, unnamed, writing
from scanner.errors import EngineError, ScannerError

_MIB = 1 << 20


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Eight MiB, transposed: gathered rather than copied at once."""
    path = tmp_path / "model.ckpt"
    torch.save({"w": torch.arange(2.0 * _MIB).view(1024, 2048).t()}, path)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.safetensors"


@pytest.fixture(params=["unnamed", "hidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """With a file that has no name while it grows, and on a file system that knows none such."""
    if request.param == "hidden":
        monkeypatch.setattr(unnamed, "_without_a_name", lambda folder: None)
    elif unnamed._without_a_name(tmp_path) is None:
        pytest.skip("needs a file system with O_TMPFILE")
    return str(request.param)


def refused(source: Path, target: Path) -> ScannerError:
    before = sorted(target.parent.iterdir())
    with pytest.raises(ScannerError) as caught:
        to_file(source, target)
    assert sorted(target.parent.iterdir()) == before
    return caught.value


def test_the_target_appears_whole_with_a_plain_files_mode(
    model: Path, target: Path, way: str
) -> None:
    old = os.umask(0o027)
    try:
        to_file(model, target)
    finally:
        os.umask(old)
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o640
    assert load_file(target)["w"].shape == (2048, 1024)


def test_while_it_grows_the_file_has_no_name(model: Path, target: Path) -> None:
    if unnamed._without_a_name(target.parent) is None:
        pytest.skip("needs a file system with O_TMPFILE")
    seen: list[list[Path]] = []
    to_file(model, target, progress=lambda *_: seen.append(list(target.parent.iterdir())))
    assert seen
    assert not any(seen)


def test_a_full_disk_is_our_fault_and_leaves_nothing(
    model: Path, target: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes, at: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "write_all", full)
    error = refused(model, target)
    assert (type(error), error.code) == (EngineError, "disk.full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_really_is_full(model: Path, small_disk: Path, way: str) -> None:
    for _ in range(2):
        assert refused(model, small_disk / "model.safetensors").code == "disk.full"
    # And it is empty again: a smaller file fits.
    torch.save({"w": torch.ones(_MIB // 2)}, model)
    to_file(model, small_disk / "model.safetensors")


def command(source: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "scanner", "convert", str(source), str(target), "--json"]


def test_a_limit_on_file_sizes_is_an_error(model: Path, target: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MIB, _MIB))

    done = subprocess.run(
        command(model, target), capture_output=True, check=False, preexec_fn=limited
    )
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (1, "convert.too_large")
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_conversion_killed_in_the_middle_leaves_the_old_target(
    tmp_path: Path, target: Path, number: int
) -> None:
    source = tmp_path / "large.ckpt"
    torch.save({"w": torch.zeros(48 * _MIB // 4).view(1 << 10, -1).t()}, source)
    target.write_bytes(b"what was there")
    with subprocess.Popen(
        [*command(source, target), "--progress"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        # Whoever runs the tests in the background has them ignore Ctrl-C, and children inherit it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as run:
        assert run.stderr is not None
        run.stderr.readline()  # It is at work.
        run.send_signal(number)
        run.stderr.read()
        assert run.wait(30) != 0
    assert target.read_bytes() == b"what was there"
    if unnamed._without_a_name(target.parent) is not None or number != signal.SIGKILL:
        assert list(target.parent.iterdir()) == [target]


def test_no_child_outlives_a_conversion_that_was_killed(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "large.ckpt"
    torch.save({"w": torch.zeros(48 * _MIB // 4).view(1 << 10, -1).t()}, source)
    with subprocess.Popen(
        [*command(source, target), "--progress"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as run:
        assert run.stderr is not None
        run.stderr.readline()
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        run.kill()
    deadline = time.monotonic() + 10
    while any(Path("/proc", pid, "exe").exists() for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert children


def test_a_folder_that_cannot_be_written_to_is_our_fault(model: Path) -> None:
    # procfs takes no new files from anyone, root included.
    with pytest.raises(EngineError, match=r"convert\.target"):
        to_file(model, Path("/proc/weighhouse.safetensors"))


def test_a_target_that_is_a_folder_stays_one(model: Path, target: Path) -> None:
    target.mkdir()
    assert refused(model, target).code == "convert.target"
    assert target.is_dir()


def test_a_link_is_replaced_and_what_it_points_at_stays(model: Path, target: Path) -> None:
    other = target.with_name("other")
    other.write_bytes(b"kept")
    target.symlink_to(other)
    to_file(model, target)
    assert not target.is_symlink()
    assert other.read_bytes() == b"kept"


def test_a_failed_conversion_leaves_the_old_target(model: Path, target: Path, way: str) -> None:
    target.write_bytes(b"what was there")
    model.write_bytes(model.read_bytes()[:5000])
    assert refused(model, target).code == "convert.refused"
    assert target.read_bytes() == b"what was there"


def test_a_long_name_is_no_obstacle(model: Path, target: Path, way: str) -> None:
    long = target.with_name("é" * 120 + ".safetensors")
    to_file(model, long)
    assert long.exists()
