"""The command line as scripts use it: what it prints, in which order, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scanner.report import EXTRA, SECTIONS
from tests.scanner.formats.files import EVIL, saved

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "fickling", "diffusers")


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scanner", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _reports(result: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.pt"
    path.write_bytes(saved({"w": torch.ones(2, 3)}))
    return path


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    path = tmp_path / "evil.safetensors"
    path.write_bytes(EVIL)
    return path


def test_reports_come_in_the_order_given_and_one_bad_file_is_status_one(
    good: Path, evil: Path
) -> None:
    result = _run("inspect", "--json", "--only", "safety", "--jobs", "3", evil, good, evil)
    reports = _reports(result)
    assert [report["name"] for report in reports] == [evil.name, good.name, evil.name]
    assert [report["safety"]["verdict"] for report in reports] == [  # type: ignore[index]
        "malicious", "clean", "malicious",
    ]  # fmt: skip
    assert result.returncode == 1
    assert not (ROOT / "marker").exists()


def test_clean_files_are_status_zero(good: Path) -> None:
    result = _run("inspect", "--json", "--only", "safety", good)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("section", [*SECTIONS, *EXTRA])
def test_only_the_section_that_was_asked_for_is_there(good: Path, section: str) -> None:
    (report,) = _reports(_run("inspect", "--json", "--only", section, good))
    assert set(report) & {*SECTIONS, *EXTRA} == {section}
    assert report["schema"] == 1
    assert report["size"] == good.stat().st_size


def test_the_report_says_which_layers_of_the_sandbox_held(good: Path) -> None:
    (report,) = _reports(_run("inspect", "--json", "--only", "safety", good))
    assert "rlimits" in report["sandbox"]  # type: ignore[operator]


def test_folders_are_walked(good: Path, evil: Path, tmp_path: Path) -> None:
    result = _run("inspect", "--json", "--only", "safety", tmp_path)
    assert [report["name"] for report in _reports(result)] == [evil.name, good.name]


def test_a_missing_file_is_status_two_and_the_others_are_still_read(
    good: Path, tmp_path: Path
) -> None:
    result = _run("inspect", "--json", "--only", "safety", tmp_path / "none.pt", good)
    assert result.returncode == 2
    assert "none.pt" in result.stderr
    assert len(_reports(result)) == 1


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _run("inspect", "--json", tmp_path / "pipe").returncode == 2


def test_a_folder_without_files_is_not_clean(tmp_path: Path) -> None:
    result = _run("inspect", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert str(tmp_path) in result.stderr


def test_an_empty_file_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "empty.ckpt"
    path.touch()
    result = _run("inspect", "--json", "--only", "safety", path)
    assert _reports(result)[0]["safety"]["verdict"] == "unreadable"  # type: ignore[index]
    assert result.returncode == 1


@pytest.mark.parametrize("arguments", [(), ("inspect",), ("inspect", "--only", "x", "y"), ("x",)])
def test_wrong_usage_is_status_two(arguments: tuple[str, ...]) -> None:
    assert _run(*arguments).returncode == 2


def test_progress_is_told_in_json_lines(good: Path) -> None:
    result = _run("inspect", "--json", "--only", "hashes", "--progress", good)
    told = [json.loads(line) for line in result.stderr.splitlines()]
    assert told
    assert all({"step", "done", "total"} <= set(line["progress"]) for line in told)


def test_a_strangers_words_reach_the_terminal_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb.pt"
    path.write_bytes(EVIL.replace(b"touch marker", b"touch\x1bmarker"))
    result = _run("inspect", "--only", "safety", path)
    assert "\x1b" not in result.stdout
    assert result.stdout.startswith("a\\x1b[31m\\nb.pt")


def test_explain_shows_the_payload(evil: Path) -> None:
    result = _run("explain", evil)
    assert result.returncode == 0
    assert "system" in result.stdout


def test_the_policy_can_be_printed() -> None:
    rows = [json.loads(line) for line in _run("policy", "--json").stdout.splitlines()]
    assert {"known", "dangerous"} <= {row["tier"] for row in rows}


@pytest.mark.parametrize("arguments", [["--version"], ["inspect", "--only", "safety", "x"]])
def test_nothing_heavy_is_imported_for_a_look_at_safety(arguments: list[str]) -> None:
    script = (
        "import sys; from scanner.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert result.stdout.splitlines()[-1] == "[]"


def test_convert_writes_a_file_and_says_what_it_did(good: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.safetensors"
    result = _run("convert", good, target, "--json", "--digest")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["tensors"] == 1
    assert len(told["sha256"]) == 64
    assert target.exists()


def test_a_malicious_file_is_not_converted(evil: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.safetensors"
    assert _run("convert", evil, target, "--json").returncode == 1
    assert not target.exists()


def test_a_missing_source_is_a_usage_error(tmp_path: Path) -> None:
    assert _run("convert", tmp_path / "none", tmp_path / "x.safetensors").returncode == 2


def test_a_folder_is_no_target(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for target in (folder, tmp_path / "none" / "x.safetensors"):
        result = _run("convert", good, target)
        assert result.returncode == 2
        assert result.stderr.startswith(f"weighhouse: {target}")
        assert len(result.stderr.splitlines()) == 1


def test_what_was_dropped_does_not_flood_the_terminal(tmp_path: Path) -> None:
    source = tmp_path / "many.pt"
    settings = {f"setting {number}": "x" for number in range(30)}
    source.write_bytes(saved({"w": torch.ones(2), **settings}))
    result = _run("convert", source, tmp_path / "x.safetensors")
    assert "  … 10 more dropped; --json names them all" in result.stdout.splitlines()


def test_a_smoke_test_that_is_skipped_says_why(good: Path, tmp_path: Path) -> None:
    result = _run("smoke", good, "--out", tmp_path / "pictures")
    assert result.returncode == 1
    assert result.stdout.startswith("skipped: ")
