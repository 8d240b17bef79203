"""``convert --report``: one command, the file and what is said of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

#: GLOBAL posix system, called with a word. Built from opcodes and never loaded.
_HOSTILE = b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR."


def convert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scanner", "convert", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": {"a": torch.randn(50, 40)}, "global_step": 7}, path)
    return path


def test_the_report_comes_with_the_conversion(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    done = convert(source, target, "--report", "safety,hashes", "--json", "--progress")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert (body["tensors"], body["target"]) == (1, str(target))
    report = body["report"]
    assert report["safety"]["verdict"] == "clean"
    assert report["hashes"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert "identity" not in report
    state = torch.load(source, weights_only=True)["state_dict"]
    assert torch.equal(load_file(target)["a"], state["a"])
    steps = {json.loads(line)["progress"]["step"] for line in done.stderr.splitlines()}
    assert {"convert", "hashes"} <= steps


def test_the_report_is_the_one_that_inspect_gives(source: Path, tmp_path: Path) -> None:
    sections = "safety,identity,health,hashes"
    done = convert(source, tmp_path / "m.safetensors", "--report", sections, "--json")
    inspected = subprocess.run(
        [sys.executable, "-m", "scanner", "inspect", source, "--only", sections, "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["report"] == json.loads(inspected.stdout)


def test_a_refused_file_has_its_report_and_no_target(tmp_path: Path) -> None:
    source, target = tmp_path / "bad.ckpt", tmp_path / "bad.safetensors"
    source.write_bytes(_HOSTILE)
    done = convert(source, target, "--report", "safety", "--json")
    assert done.returncode == 1
    body = json.loads(done.stdout)
    assert body["error"]["code"] == "convert.refused"
    assert body["report"]["safety"]["verdict"] == "malicious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.ckpt"]


def test_people_read_both(source: Path, tmp_path: Path) -> None:
    done = convert(source, tmp_path / "m.safetensors", "--report", "safety")
    assert done.returncode == 0
    assert "clean" in done.stdout
    assert "1 tensor" in done.stdout


def test_folders_and_missing_files_are_mistakes(source: Path, tmp_path: Path) -> None:
    folder = convert(tmp_path, tmp_path / "out", "--report", "safety", "--json")
    missing = convert(tmp_path / "no.ckpt", tmp_path / "o.safetensors", "--report", "safety")
    assert (folder.returncode, missing.returncode) == (2, 2)
    assert json.loads(folder.stdout)["error"]["code"] == "usage.report"
