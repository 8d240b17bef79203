"""The warm parent's client, against a stand-in that behaves and misbehaves as it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from registry import engine, warm
from registry.engine import Drawing
from registry.errors import EngineError

#: Does what its job's path says; cold, it answers that it is cold.
PROGRAM = """
import json, os, signal, sys, threading, time

def say(**message):
    print(json.dumps(message), flush=True)

if "--serve" not in sys.argv:
    print(json.dumps({"verdict": "passed", "cold": True}))
    raise SystemExit(0)
if os.path.exists("broken"):
    sys.exit("no torch here")
cancelled = set()
jobs = []
def read():
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            cancelled.add(message["cancel"])
        else:
            jobs.append(message)
    os._exit(0)
threading.Thread(target=read, daemon=True).start()
time.sleep(float(open("slow").read()) if os.path.exists("slow") else 0)
say(serving=True, device="cpu", pid=os.getpid())
while True:
    if not jobs:
        time.sleep(0.01)
        continue
    job = jobs.pop(0)
    number, wanted = job["id"], os.path.basename(job["path"])
    say(id="an older one", status=0, result={"verdict": "not yours"})
    say(id=number, done=1, total=4, what="drawing")
    if wanted == "dies":
        print("out of memory", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if wanted == "garbles":
        print("no JSON", flush=True)
    while wanted == "hangs" and number not in cancelled:
        time.sleep(0.01)
    if wanted == "hangs":
        say(id=number, status=2, error={"code": "smoke.cancelled", "message": ""})
    elif wanted == "refused":
        say(id=number, status=2, error={"code": "smoke.no_vocabulary", "message": "none"})
    else:
        status = 1 if wanted == "skipped" else 0
        result = {"verdict": wanted, "job": job, "by": os.getpid()}
        say(id=number, status=status, result=result)
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "scanner.py").write_text(PROGRAM)
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    monkeypatch.setattr(engine, "TICK", 0.05)
    monkeypatch.setattr(warm, "_own", warm._Own())
    yield tmp_path
    warm.end()


def silent(done: int, total: int, what: str) -> None: ...


def drawn(wanted: str, progress: engine.Progress = silent, **how: float) -> engine.Answer:
    drawing = Drawing(Path("/models") / wanted, Path("/out"), trigger="ink", prompts=("-a crane",))
    return warm.smoke(drawing, progress, **how)


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def server_pid() -> int:
    assert warm._own.server is not None
    return warm._own.server.process.pid


def test_one_server_does_one_job_after_the_other(place: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    first = drawn("passed", lambda *step: heard.append(step))
    second = drawn("skipped")
    assert (first.status, first.data["verdict"]) == (0, "passed")
    assert (second.status, second.data["verdict"]) == (1, "skipped")
    assert first.data["by"] == second.data["by"]
    assert (1, 4, "drawing") in heard
    job = first.data["job"]
    assert (job["trigger"], job["prompts"], job["base"]) == ("ink", ["-a crane"], None)


def test_an_error_of_the_job_leaves_the_server(place: Path) -> None:
    with pytest.raises(EngineError, match=r"smoke\.no_vocabulary"):
        drawn("refused")
    pid = server_pid()
    assert drawn("passed").data["by"] == pid


@pytest.mark.parametrize(
    ("wanted", "code"), [("dies", r"engine\.killed.*out of memory"), ("garbles", "engine.garbled")]
)
def test_a_server_that_fails_is_replaced(place: Path, wanted: str, code: str) -> None:
    drawn("passed")
    before = server_pid()
    with pytest.raises(EngineError, match=code):
        drawn(wanted)
    assert is_gone(before)
    assert drawn("passed").data["by"] != before


def test_a_job_without_an_end_takes_the_server_with_it(place: Path) -> None:
    drawn("passed")
    before = server_pid()
    with pytest.raises(EngineError, match=r"engine\.timeout"):
        drawn("hangs", timeout=0.3)
    assert is_gone(before)


def test_a_lost_lease_cancels_the_job_and_keeps_the_server(place: Path) -> None:
    drawn("passed")
    before = server_pid()

    class Lost(Exception):
        pass

    def listen(done: int, total: int, what: str) -> None:
        if not total:
            raise Lost

    with pytest.raises(Lost):
        drawn("hangs", listen)
    assert drawn("passed").data["by"] == before


def test_silence_is_a_sign_of_life(place: Path) -> None:
    (place / "slow").write_text("0.4")
    heard: list[tuple[int, int, str]] = []
    drawn("passed", lambda *step: heard.append(step))
    assert (0, 0, "") in heard


def test_without_a_server_each_job_imports_torch_itself(place: Path) -> None:
    (place / "broken").touch()
    assert drawn("passed").data["cold"]
    (place / "broken").unlink()
    # Not for every job is a start tried that failed a moment ago.
    assert drawn("passed").data["cold"]
    warm._own.not_before = 0
    assert "cold" not in drawn("passed").data


def test_a_server_that_does_not_come_up_in_time_is_done_without(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "slow").write_text("60")
    monkeypatch.setattr(warm, "START", 0.3)
    assert drawn("passed").data["cold"]


def test_after_its_share_of_jobs_it_is_replaced(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "MOST_JOBS", 2)
    pids = [drawn("passed").data["by"] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_what_a_prompt_begins_with_is_no_option() -> None:
    drawing = Drawing(Path("/m"), Path("/o"), prompts=("--out=/etc", "two"), base=Path("/b"))
    assert drawing.arguments()[-3:] == ["--base=/b", "--prompt=--out=/etc", "--prompt=two"]
