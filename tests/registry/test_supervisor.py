"""Programs are started, healed and ended; nothing that they started outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from registry import processes
from tests.services import ROOT, free_port, wait_until

pytestmark = pytest.mark.own_site

SCRIPT = """
import socket, sys
from registry.supervisor import Probe, Program, Supervisor

listener = socket.create_server(("127.0.0.1", {port}))
programs = [
    Program(name, (sys.executable, "-c", code), descriptors=(listener.fileno(),), **options)
    for name, code, options in {programs!r}
]
Supervisor(
    programs,
    environ={{"LISTENER": str(listener.fileno()), "MARK": {mark!r}}},
    say=lambda name, line: print(name, "|", line, flush=True),
    probe=Probe(("127.0.0.1", {port}), "localhost"),
    ready=lambda: print("READY", flush=True),
).run()
print("ENDED", flush=True)
"""

SERVER = """
import os, socket
listener = socket.socket(fileno=int(os.environ["LISTENER"]))
while True:
    one, _ = listener.accept()
    one.recv(4096)
    one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    one.close()
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
# Deaf to every polite signal, with a child in a session of its own that is deaf too.
STUBBORN = """
import signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2], "x"],
                     start_new_session=True)
print("deaf", flush=True)
time.sleep(600)
"""


class Run:
    """A supervisor in a process of its own; every process below it carries its mark."""

    def __init__(self, folder: Path, programs: list[tuple[str, str, dict[str, object]]]) -> None:
        self.mark = str(folder)
        self.log = folder / "log"
        script = SCRIPT.format(port=free_port(), programs=programs, mark=self.mark)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(script)],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text()

    def hears(self, words: str, times: int = 1) -> None:
        wait_until(lambda: self.said().count(words) >= times, 30, words)

    def below(self) -> set[int]:
        found = set()
        for process in psutil.process_iter():
            try:
                if process.environ().get("MARK") == self.mark:
                    found.add(process.pid)
            except psutil.Error:
                continue
        return found

    def end(self) -> None:
        processes.kill(self.process.pid)
        self.process.wait()
        for pid in self.below():
            processes.kill(pid)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[list[Run]]:
    started: list[Run] = []
    yield started
    for run in started:
        run.end()


def test_output_is_passed_on_line_by_line_under_the_programs_name(
    runs: list[Run], tmp_path: Path
) -> None:
    code = "import sys; sys.stdout.write('one\\ntwo'); sys.stdout.flush()"
    runs.append(run := Run(tmp_path, [("chatter", code, {"once": True})]))
    run.hears("chatter | done")
    assert run.said().splitlines()[:3] == ["chatter | one", "chatter | two", "chatter | done"]


def test_a_killed_program_is_started_again(runs: list[Run], tmp_path: Path) -> None:
    runs.append(run := Run(tmp_path, [("sleeper", SLEEPER, {})]))
    run.hears("sleeper | up")
    (pid,) = run.below()
    os.kill(pid, signal.SIGKILL)
    run.hears("sleeper | ended with SIGKILL; starting it again in 0.5 s")
    run.hears("sleeper | up", times=2)
    (other,) = run.below()
    assert other != pid


def test_one_that_dies_young_waits_longer_each_time(runs: list[Run], tmp_path: Path) -> None:
    runs.append(run := Run(tmp_path, [("broken", "raise SystemExit(3)", {})]))
    for pause in ("0.5", "1", "2"):
        run.hears(f"broken | ended with status 3; starting it again in {pause} s")


def test_one_that_runs_once_is_over_when_it_is_done_and_given_up_after_its_tries(
    runs: list[Run], tmp_path: Path
) -> None:
    programs: list[tuple[str, str, dict[str, object]]] = [
        ("good", "pass", {"once": True}),
        ("bad", "raise SystemExit(1)", {"once": True, "tries": 2}),
    ]
    runs.append(run := Run(tmp_path, programs))
    run.hears("good | done")
    run.hears("bad | ended with status 1; not tried again")
    assert run.said().count("bad |") == 2
    assert run.process.poll() is None


def test_the_others_wait_for_the_sites_first_answer(runs: list[Run], tmp_path: Path) -> None:
    late = "import time; time.sleep(1)\n" + SERVER
    programs: list[tuple[str, str, dict[str, object]]] = [
        ("web", late, {}),
        ("worker", SLEEPER, {"patience": 60.0}),
    ]
    runs.append(run := Run(tmp_path, programs))
    run.hears("worker | up")
    assert run.said().index("READY") < run.said().index("worker | up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everybody_even_the_deaf_and_their_children(
    runs: list[Run], tmp_path: Path, number: signal.Signals
) -> None:
    programs: list[tuple[str, str, dict[str, object]]] = [
        ("sleeper", SLEEPER, {}),
        ("stubborn", STUBBORN, {}),
    ]
    runs.append(run := Run(tmp_path, programs))
    run.hears("deaf", times=2)
    assert len(run.below()) == 3
    started = time.monotonic()
    run.process.send_signal(number)
    assert run.process.wait(timeout=10) == 0
    assert time.monotonic() - started < 10
    assert run.below() == set()


def test_a_second_signal_does_not_wait(runs: list[Run], tmp_path: Path) -> None:
    runs.append(run := Run(tmp_path, [("stubborn", STUBBORN, {})]))
    run.hears("deaf", times=2)
    started = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    run.process.send_signal(signal.SIGINT)
    run.process.wait(timeout=10)
    assert time.monotonic() - started < 4
    assert run.below() == set()


def test_what_a_killed_program_had_started_is_killed_too(runs: list[Run], tmp_path: Path) -> None:
    runs.append(run := Run(tmp_path, [("stubborn", STUBBORN, {})]))
    run.hears("deaf", times=2)
    before = run.below()
    leader = next(pid for pid in before if psutil.Process(pid).ppid() == run.process.pid)
    os.kill(leader, signal.SIGKILL)
    run.hears("deaf", times=4)
    assert run.below().isdisjoint(before)
    assert len(run.below()) == 2


def test_programs_do_not_outlive_a_killed_supervisor(runs: list[Run], tmp_path: Path) -> None:
    runs.append(run := Run(tmp_path, [("sleeper", SLEEPER, {})]))
    run.hears("sleeper | up")
    run.process.kill()
    run.process.wait()
    wait_until(lambda: not run.below(), 10, "everybody gone")
