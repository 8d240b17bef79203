"""What ``inspect`` says beside the reports."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scanner import sandbox
from scanner.cli import main
from scanner.cli.showing import LAYERS, Tables
from scanner.cli.words import folded
from tests.scanner.formats.files import EVIL

EMPTY_MODEL = (2).to_bytes(8, "little") + b"{}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, raw in {"a/m.safetensors": EMPTY_MODEL, "b/m.safetensors": EVIL}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(raw)
    (tmp_path / ".hidden").touch()
    return tmp_path


def inspected(*arguments: str | Path) -> int:
    return main(["inspect", "--only", "safety", *map(str, arguments)])


def test_several_files_end_in_a_sum_and_are_told_apart_by_path(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspected(folder) == 1
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[-1] == "2 files: 1 malicious, 1 clean"
    assert lines[0].startswith(str(folder / "a" / "m.safetensors"))
    assert shown.err == "weighhouse: left out in folders: 1 × hidden file\n"


def test_one_file_needs_no_sum(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspected(folder / "a") == 0
    assert "files:" not in capsys.readouterr().out


def test_several_reports_have_their_path_and_one_has_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspected("--json", folder) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["name"] for report in reports] == ["m.safetensors"] * 2
    assert [Path(report["path"]).parent.name for report in reports] == ["a", "b"]
    assert inspected("--json", folder / "a" / "m.safetensors") == 0
    assert "path" not in json.loads(capsys.readouterr().out)


def test_a_name_that_is_no_text_makes_valid_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = os.fsencode(tmp_path) + b"/bad\xff.safetensors"
    Path(os.fsdecode(path)).write_bytes(EMPTY_MODEL)
    assert inspected("--json", tmp_path) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["name"].encode() == b"bad\\xff.safetensors"


def test_a_folder_that_cannot_be_opened_is_status_two_though_the_rest_is_clean(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert inspected(folder) == 2
    shown = capsys.readouterr()
    assert f"{folder / 'b'}: Permission denied" in shown.err
    assert "clean" in shown.out


def test_what_the_sandbox_lacks_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    tables = Tables()
    report = {"name": "m", "size": 1, "format": "pickle", "sandbox": ["rlimits", "landlock"]}
    for _ in range(2):
        tables.report(Path("m"), dict(report))
    tables.end(0, {})
    assert capsys.readouterr().err == (
        "weighhouse: the sandbox lacks no-new-privs, seccomp here; see python -m scanner selftest\n"
    )


def test_every_layer_that_is_expected_is_one_that_a_jail_can_hold() -> None:
    names = ("no-new-privs", "landlock", "rlimits", "nobody", "capabilities", "seccomp")
    assert set(LAYERS) <= set(names)
    assert set(sandbox.available()) <= set(names)


def test_long_lines_fold_to_the_terminal_and_an_address_stays_whole() -> None:
    address = "https://example.org/" + "x" * 60
    text = "one two three four five six seven " + address
    lines = folded(text, 4, 30)
    assert all(len(line) <= 30 for line in lines if address not in line)
    assert all(line.startswith("    ") for line in lines[1:])
    assert address in "\n".join(lines)
    assert folded(text, 4, None) == [text]
