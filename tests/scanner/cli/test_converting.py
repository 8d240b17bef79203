"""``convert`` as a command: one file, and folders of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from scanner.cli import converting_folders, main

#: GLOBAL posix system, called with a word. Built from opcodes and never loaded.
_HOSTILE = b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR."


def convert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scanner", "convert", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models, one of them a folder down, and things that are none."""
    source = tmp_path / "models"
    (source / "deeper").mkdir(parents=True)
    torch.save({"state_dict": {"a": torch.randn(5, 4)}}, source / "one.ckpt")
    torch.save({"b": torch.arange(7)}, source / "deeper" / "two.vae.pt")
    save_file({"c": torch.ones(3)}, source / "three.safetensors")
    (source / "notes.txt").write_text("not a model")
    (source / ".hidden.ckpt").write_bytes(b"")
    return source


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_folder_is_converted_file_by_file(folder: Path, tmp_path: Path, jobs: str) -> None:
    target = tmp_path / "out"
    done = convert(folder, target, "--jobs", jobs)
    assert done.returncode == 0, done.stderr
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert found == {"one.safetensors", "deeper/two.vae.safetensors"}
    expected = torch.load(folder / "one.ckpt", weights_only=True)["state_dict"]["a"]
    assert torch.equal(load_file(target / "one.safetensors")["a"], expected)
    assert "2 files: 2 converted" in done.stderr


def test_safetensors_files_join_where_something_is_asked_of_them(
    folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    assert convert(folder, target, "--precision", "fp16").returncode == 0
    assert load_file(target / "three.safetensors")["c"].dtype is torch.float16


def test_one_refused_file_stops_no_other(folder: Path, tmp_path: Path) -> None:
    (folder / "evil.pt").write_bytes(_HOSTILE)
    done = convert(folder, tmp_path / "out", "--json", "--jobs", "2")
    assert done.returncode == 1
    by_name = {Path(str(line["source"])).name: line for line in lines(done)}
    assert set(by_name) == {"evil.pt", "one.ckpt", "two.vae.pt"}
    error = by_name["evil.pt"]["error"]
    assert isinstance(error, dict)
    assert error["code"] == "convert.refused"
    assert not (tmp_path / "out" / "evil.safetensors").exists()
    assert (tmp_path / "out" / "one.safetensors").exists()


def test_a_process_that_dies_costs_its_file_alone(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = converting_folders.converted

    def deadly(job: converting_folders.Job, *more: object) -> object:
        if job.source.name == "one.ckpt":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(job, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(converting_folders, "converted", deadly)
    assert main(["convert", str(folder), str(tmp_path / "out"), "--json", "--jobs", "2"]) == 2
    said = map(json.loads, capsys.readouterr().out.splitlines())
    told = {Path(line["source"]).name: line for line in said}
    assert told["one.ckpt"]["error"]["code"] == "lanes.lost"
    assert told["two.vae.pt"]["tensors"] == 1
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["two.vae.safetensors"]


def test_existing_targets_are_skipped_when_asked(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "one.safetensors").write_bytes(b"mine")
    done = convert(folder, target, "--skip-existing", "--json")
    assert done.returncode == 0
    assert (target / "one.safetensors").read_bytes() == b"mine"
    assert [line.get("skipped") for line in lines(done)] == ["exists", None]
    single = convert(folder / "one.ckpt", target / "one.safetensors", "--skip-existing")
    assert single.returncode == 0
    assert "is there already" in single.stdout


def test_a_dry_run_writes_nothing_and_knows_the_size(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    dry = convert(folder, target, "--dry-run", "--json")
    assert dry.returncode == 0
    assert not target.exists()
    assert convert(folder, target).returncode == 0
    for line in lines(dry):
        assert line["dry_run"] is True
        assert line["size"] == Path(str(line["target"])).stat().st_size


def test_a_dry_run_refuses_what_the_run_would(folder: Path, tmp_path: Path) -> None:
    (folder / "evil.pt").write_bytes(_HOSTILE)
    assert convert(folder / "evil.pt", tmp_path / "x.safetensors", "--dry-run").returncode == 1


def test_two_sources_of_one_target_are_not_written_over_each_other(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    torch.save({"a": torch.zeros(1)}, source / "same.ckpt")
    torch.save({"a": torch.ones(1)}, source / "same.pt")
    done = convert(source, tmp_path / "out", "--json")
    assert done.returncode == 1
    second = lines(done)[1]["error"]
    assert isinstance(second, dict)
    assert second["code"] == "convert.same_target"
    assert load_file(tmp_path / "out" / "same.safetensors")["a"].item() == 0


def test_an_empty_folder_is_a_mistake_in_the_command(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = convert(tmp_path / "in", tmp_path / "out")
    assert done.returncode == 2
    assert "no model file" in done.stderr


def test_metadata_that_is_asked_for_is_in_the_file(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "one.safetensors"
    assert convert(folder / "one.ckpt", target, "--metadata", "source=a=b").returncode == 0
    with safe_open(target, "pt") as file:
        assert file.metadata()["source"] == "a=b"
    assert convert(folder / "one.ckpt", target, "--metadata", "nothing").returncode == 2
