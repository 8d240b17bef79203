"""Calling the scanner: what comes back, and what happens when the child misbehaves."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from registry import engine
from registry.errors import EngineError
from tests.registry import making


def silent(done: int, total: int, what: str) -> None: ...


def test_a_report_comes_back_with_its_verdict_and_time(tmp_path: Path) -> None:
    path = tmp_path / "tiny"
    path.write_bytes(making.safetensors())
    answer = engine.inspect(path, silent)
    assert answer.status == 0
    assert answer.data["safety"]["verdict"] == "clean"
    assert answer.seconds > 0


def test_a_refusal_carries_its_code(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no model at all")
    answer = engine.convert(path, tmp_path / "out.safetensors", silent)
    assert answer.status == 1
    assert answer.data["error"]["code"].startswith("convert.")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_file_that_is_gone_is_our_failure(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"\w+\.\w+"):
        engine.inspect(tmp_path / "missing", silent)


def test_the_policy_has_a_version() -> None:
    assert engine.policy()


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for the scanner's program, to misbehave in ways that the real one must not."""
    program = tmp_path / "scanner.py"
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    return program


def test_a_child_that_hangs_is_killed_with_all_it_started(child: Path, tmp_path: Path) -> None:
    child.write_text(
        "import subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(inner.pid))\n"
        "time.sleep(60)\n"
    )
    engine_tick = engine.TICK
    try:
        engine.TICK = 0.2
        with pytest.raises(EngineError, match=r"engine\.timeout"):
            engine._call(["inspect"], silent, 2.0, fine={0})
    finally:
        engine.TICK = engine_tick
    grandchild = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(grandchild) and time.monotonic() < deadline:
        if psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    assert not psutil.pid_exists(grandchild) or (
        psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE
    )


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("print('not json')", r"engine\.garbled"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"engine\.killed"),
        ("raise SystemExit(2)", r"engine\.failed"),
        ("", r"engine\.failed"),
    ],
)
def test_a_child_that_fails_is_our_failure_with_a_code(
    child: Path, program: str, code: str
) -> None:
    child.write_text(program)
    with pytest.raises(EngineError, match=code):
        engine._call(["inspect"], silent, 30, fine={0, 1})


def test_progress_is_passed_on_and_what_it_raises_ends_the_child(child: Path) -> None:
    child.write_text(
        "import sys, time\n"
        'print(\'{"progress": {"step": "hashes", "done": 1, "total": 4}}\', file=sys.stderr)\n'
        "sys.stderr.flush()\n"
        "time.sleep(60)\n"
    )
    heard: list[tuple[int, int, str]] = []

    class Lost(Exception):
        pass

    def listen(done: int, total: int, what: str) -> None:
        heard.append((done, total, what))
        raise Lost

    started = time.monotonic()
    with pytest.raises(Lost):
        engine._call(["inspect"], listen, 30, fine={0})
    assert heard == [(1, 4, "hashes")]
    assert time.monotonic() - started < 20


def test_a_flood_of_output_does_not_fill_the_memory(
    child: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child.write_text("import sys\nfor _ in range(2000): sys.stdout.write('x' * 10_000)\n")
    monkeypatch.setattr(engine, "OUTPUT_LIMIT", 100_000)
    before = psutil.Process().memory_info().rss
    with pytest.raises(EngineError, match=r"engine\.garbled"):
        engine._call(["inspect"], silent, 30, fine={0})
    assert psutil.Process().memory_info().rss - before < 10_000_000


def test_a_child_is_told_none_of_the_sites_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHHOUSE_SECRET_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    told = engine._environ()
    assert "secret" not in told.values()
    assert told["OMP_NUM_THREADS"] == "2"
    assert "PATH" in told
