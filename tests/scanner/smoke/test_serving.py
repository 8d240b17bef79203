"""The warm parent, as a client has it: a process with two pipes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scanner import smoke

pytest.importorskip("torch")
pytest.importorskip("diffusers")

Json = dict[str, Any]
QUICK = {"size": 64, "steps": 2, "pictures": 1, "device": "cpu"}
#: Long enough to be still under way whenever a test looks.
LONG = {"size": 128, "steps": 150, "pictures": 16, "device": "cpu"}


class Client:
    """Asks, and reads answers; nothing here waits for ever, for the process ends with its input."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scanner", "smoke", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.hello = self.line()

    def ask(self, **body: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(body).encode() + b"\n")
        self.process.stdin.flush()

    def line(self) -> Json:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def answer(self) -> Json:
        """The next line with a status; progress before it is passed over."""
        while "status" not in (line := self.line()):
            pass
        return line

    def under_way(self, count: int) -> list[psutil.Process]:
        """The runner, and the jailed child that draws, once they are there."""
        for _ in range(600):
            found = psutil.Process(self.process.pid).children(recursive=True)
            if len(found) == count:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{len(found)} processes instead of {count}")

    def drawing(self, name: str, mini: Path, out: Path) -> list[psutil.Process]:
        """Start a long job, and wait until pictures are being made."""
        self.ask(id=name, path=str(mini), out=str(out), **LONG)
        while self.line().get("done", 0) < 1:
            pass
        return self.under_way(2)


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(scope="module")
def served() -> Iterator[Client]:
    """One parent for the tests that leave it as it was."""
    made = Client()
    yield made
    made.process.kill()
    made.process.wait()


def test_it_says_that_it_is_warm(served: Client) -> None:
    assert served.hello["serving"] is True
    assert served.hello["pid"] == served.process.pid
    assert served.hello["device"] in ("cpu", "cuda")


def test_jobs_in_a_row_draw_what_a_process_of_its_own_draws(
    served: Client, mini: Path, tmp_path: Path
) -> None:
    # Two threads each: a pool of threads that the parent had would be gone after the fork.
    for name in ("a", "b", "c"):
        served.ask(id=name, path=str(mini), out=str(tmp_path / name), **QUICK)
    pictures = []
    for name in ("a", "b", "c"):
        answer = served.answer()
        assert (answer["id"], answer["status"]) == (name, 0)
        file = answer["result"]["images"][0]["file"]
        pictures.append((tmp_path / name / file).read_bytes())
    options = smoke.Options(size=64, steps=2, pictures=1, device="cpu")
    alone = smoke.run(mini, tmp_path / "alone", options=options)
    assert alone["verdict"] == answer["result"]["verdict"]
    pictures.append((tmp_path / "alone" / file).read_bytes())
    assert len(set(pictures)) == 1


def test_progress_goes_before_the_answer(served: Client, mini: Path, tmp_path: Path) -> None:
    served.ask(id="p", path=str(mini), out=str(tmp_path), **QUICK)
    lines = [served.line()]
    while "status" not in lines[-1]:
        lines.append(served.line())
    assert [(line["done"], line["total"]) for line in lines[:-1]][-1] == (2, 2)
    assert {line["id"] for line in lines} == {"p"}


def test_the_parent_keeps_nothing_of_a_job(served: Client, mini: Path, tmp_path: Path) -> None:
    served.ask(id="k", path=str(mini), out=str(tmp_path), **QUICK)
    served.answer()
    parent = psutil.Process(served.process.pid)
    assert parent.children() == []
    assert parent.num_threads() == 1
    assert parent.open_files() == []
    assert not [item.path for item in parent.memory_maps() if str(mini) in item.path]


def test_a_file_that_cannot_be_shown_is_a_result(served: Client, tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"\x80\x02}q\x00.")
    served.ask(id="s", path=str(path), out=str(tmp_path / "out"))
    answer = served.answer()
    assert answer["status"] == 1
    assert answer["result"]["code"] == "smoke.not_converted"


@pytest.mark.parametrize(
    ("asked", "name", "code"),
    [
        ({"id": "n", "path": "/nowhere", "out": "/tmp/nowhere"}, "n", "smoke.no_file"),
        ({"id": "n", "path": "/nowhere", "out": "/tmp/nowhere", "size": 1}, "n", "smoke.option"),
        ({"id": "n"}, "n", "smoke.job"),
        ({"path": "/nowhere"}, None, "smoke.job"),
    ],
)
def test_a_mistake_of_the_client_is_told(
    served: Client, asked: Json, name: str | None, code: str
) -> None:
    served.ask(**asked)
    answer = served.answer()
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (name, 2, code)


def test_a_job_under_way_is_cancelled_and_the_next_one_runs(
    served: Client, mini: Path, tmp_path: Path
) -> None:
    family = served.drawing("long", mini, tmp_path / "long")
    served.ask(id="waiting", path=str(mini), out=str(tmp_path / "waiting"), **QUICK)
    served.ask(id="next", path=str(mini), out=str(tmp_path / "next"), **QUICK)
    served.ask(cancel="waiting")
    served.ask(cancel="long")
    served.ask(cancel="never asked for")
    ended = [served.answer(), served.answer()]
    assert [answer["id"] for answer in ended] == ["waiting", "long"]
    assert {answer["error"]["code"] for answer in ended} == {"smoke.cancelled"}
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert (served.answer()["id"], served.under_way(0)) == ("next", [])


@pytest.mark.parametrize("which", [0, 1], ids=["runner", "jailed child"])
def test_a_job_that_is_killed_is_a_result(
    served: Client, mini: Path, tmp_path: Path, which: int
) -> None:
    served.drawing("doomed", mini, tmp_path / "doomed")[which].kill()
    answer = served.answer()
    assert (answer["id"], answer["status"]) == ("doomed", 1)
    assert answer["result"]["verdict"] == "failed"
    assert answer["result"]["code"] == "sandbox.killed"
    served.ask(id="next", path=str(mini), out=str(tmp_path / "next"), **QUICK)
    assert served.answer()["status"] == 0


def test_a_jailed_child_holds_no_end_of_the_clients_pipes(
    served: Client, mini: Path, tmp_path: Path
) -> None:
    def pipes(process: int) -> set[str]:
        try:
            links = {str(fd.readlink()) for fd in Path(f"/proc/{process}/fd").iterdir()}
        except PermissionError:
            pytest.skip("only root may look at what a jailed process has open")
        return {link for link in links if link.startswith("pipe:")}

    runner, child = served.drawing("held", mini, tmp_path / "held")
    own = pipes(served.process.pid)
    # The parent has the pipes to its client and the one from its runner; the child speaks to the
    # runner alone.
    assert len(own) >= 3
    assert own & pipes(child.pid) == set()
    assert len(pipes(child.pid)) == 1
    served.ask(cancel="held")
    assert served.answer()["error"]["code"] == "smoke.cancelled"
    assert runner.pid != child.pid


def test_the_end_of_input_ends_it_once_the_jobs_are_done(
    client: Client, mini: Path, tmp_path: Path
) -> None:
    client.ask(id="last", path=str(mini), out=str(tmp_path), **QUICK)
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert client.answer()["id"] == "last"
    assert client.process.wait(timeout=20) == 0


@pytest.mark.parametrize("end", ["killed", "nobody reads"])
def test_nothing_outlives_it(client: Client, mini: Path, tmp_path: Path, end: str) -> None:
    family = client.drawing("orphan", mini, tmp_path)
    if end == "killed":
        client.process.send_signal(signal.SIGKILL)
    else:
        assert client.process.stdout is not None
        client.process.stdout.close()
    client.process.wait(timeout=60)
    assert psutil.wait_procs(family, timeout=10)[1] == []
