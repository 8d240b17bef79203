"""A target exists only when all of it is sound; a refused or broken source leaves nothing."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scanner import reading, safety
from scanner.convert import Options, converting, to_file
from scanner.errors import EngineError, FileError, Refused, ScannerError
from scanner.limits import DEFAULT
from scanner.report import Verdict
from scanner.source import FileSource


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": {"a": torch.randn(50, 40), "b": torch.arange(7)}, "epoch": 3}, path)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.safetensors"


def refused(source: Path, target: Path, **options: object) -> ScannerError:
    """The error; and nothing may lie in the target's folder afterwards."""
    with pytest.raises(ScannerError) as caught:
        to_file(source, target, **options)  # type: ignore[arg-type]
    assert list(target.parent.iterdir()) == []
    return caught.value


def hostile(path: Path, marker: Path) -> Path:
    """A torch zip whose pickle would run a command. It is built from opcodes and never loaded."""
    command = f"touch {marker}".encode()
    payload = b"\x80\x02cposix\nsystem\n(X" + struct.pack("<I", len(command)) + command + b"tR."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
    return path


def test_the_answer_names_what_was_written_and_what_was_left_out(model: Path, target: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}, "epoch": 3, "callbacks": {"x": 1}}, model)
    done = to_file(model, target, Options(digest=True)).to_json()
    assert done["source"] == str(model)
    assert done["target"] == str(target)
    assert done["tensors"] == 1
    assert done["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert isinstance(done["dropped"], list)
    assert [item["name"] for item in done["dropped"]] == ["callbacks"]  # type: ignore[index, call-overload]


def test_the_same_source_gives_the_same_bytes(model: Path, target: Path) -> None:
    first = to_file(model, target, Options(digest=True)).sha256
    assert to_file(model, target, Options(digest=True)).sha256 == first


def test_an_existing_target_is_replaced_whole(model: Path, target: Path) -> None:
    target.write_bytes(b"old" * 100_000)
    to_file(model, target)
    assert set(load_file(target)) == {"a", "b"}
    assert os.listdir(target.parent) == [target.name]  # noqa: PTH208


def test_a_malicious_file_is_refused_and_runs_nothing(tmp_path: Path, target: Path) -> None:
    marker = tmp_path / "marker"
    error = refused(hostile(tmp_path / "evil.ckpt", marker), target)
    assert (type(error), error.code) == (Refused, "convert.refused")
    assert not marker.exists()


def test_rubbish_is_refused(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "noise.ckpt"
    path.write_bytes(os.urandom(5000))
    assert isinstance(refused(path, target), Refused)


def test_an_empty_file_is_refused(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "empty.ckpt"
    path.touch()
    assert isinstance(refused(path, target), Refused)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_at_any_boundary_leaves_no_output(
    tmp_path: Path, target: Path, zipped: bool
) -> None:
    path, cut = tmp_path / "model.ckpt", tmp_path / "cut.ckpt"
    tree = {"a": torch.randn(5, 4), "b": torch.arange(3)}
    torch.save(tree, path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    marks = [b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\7\x08", b".\x80\x02", b"X", b"q"]
    places = {at + more for mark in marks for at in _found(data, mark) for more in (0, 1, 4)}
    steps = range(0, len(data), max(len(data) // 12, 1))
    chosen = sorted({place for place in places if place < len(data)})
    for length in {*chosen[:: max(len(chosen) // 25, 1)], *steps, len(data) - 1}:
        cut.write_bytes(data[:length])
        assert isinstance(refused(cut, target), FileError), length


def _found(data: bytes, mark: bytes) -> list[int]:
    places, at = [], data.find(mark)
    while at >= 0:
        places.append(at)
        at = data.find(mark, at + 1)
    return places


def test_a_damaged_storage_is_found_by_its_checksum(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "model.ckpt"
    tensor = torch.full((1000,), 1.5)
    torch.save({"a": tensor}, path)
    data = bytearray(path.read_bytes())
    at = data.index(tensor.numpy().tobytes())
    data[at + 2000] ^= 1
    path.write_bytes(data)
    assert isinstance(refused(path, target), FileError)


def test_a_missing_source_is_the_callers_fault(tmp_path: Path, target: Path) -> None:
    assert refused(tmp_path / "nothing", target).code == "read.missing"


def test_a_pipe_is_no_source(tmp_path: Path, target: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe", target).code == "read.not_a_file"


def test_a_missing_folder_is_our_fault(model: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"convert\.target"):
        to_file(model, tmp_path / "nowhere" / "x.safetensors")


def test_the_source_is_never_its_own_target(model: Path) -> None:
    before = model.read_bytes()
    with pytest.raises(Refused, match=r"convert\.same_file"):
        to_file(model, model)
    assert model.read_bytes() == before


def test_an_expanded_tensor_that_would_fill_the_disk_is_an_error(
    tmp_path: Path, target: Path
) -> None:
    path = tmp_path / "bomb.ckpt"
    torch.save({"a": torch.zeros(1).expand(1 << 20, 1 << 16)}, path)
    assert refused(path, target).code == "convert.too_large"


def test_a_child_that_runs_out_of_time_leaves_nothing(model: Path, target: Path) -> None:
    error = refused(model, target, limits=DEFAULT._replace(wall_seconds=0))
    assert error.code == "sandbox.timeout"


def test_a_result_that_is_not_what_was_planned_does_not_count(
    model: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "fingerprint", lambda pieces: os.urandom(4).hex())
    assert refused(model, target).code == "convert.unsound"


def test_progress_reaches_the_end(model: Path, target: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    to_file(model, target, Options(digest=True), progress=lambda *event: seen.append(event))
    assert {step for step, _, _ in seen} >= {"convert", "digest"}
    assert seen[-1][1] == seen[-1][2] == target.stat().st_size


class Callback:
    """Something that no list knows: a trainer's own class."""


def test_of_a_suspicious_file_the_tensors_are_converted_and_the_rest_is_named(
    tmp_path: Path, target: Path
) -> None:
    path = tmp_path / "trained.ckpt"
    tensor = torch.randn(4, 3)
    torch.save({"state_dict": {"a": tensor}, "hook": Callback()}, path)
    with path.open("rb") as file:
        judged = safety.judge(reading.read(FileSource(file.fileno()), DEFAULT), DEFAULT)
    assert judged.verdict is Verdict.SUSPICIOUS
    done = to_file(path, target)
    assert torch.equal(load_file(target)["a"], tensor)
    assert [item.name for item in done.dropped] == ["hook"]
