"""``manage.py serve`` as an operator meets it: it starts, heals, refuses, ends, and keeps data."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from registry import processes
from tests.services import ROOT, free_port, wait_until

pytestmark = pytest.mark.own_site

#: Alone on two cores a first start takes some eight seconds; the tests share theirs.
START = 90.0


class Site:
    """One `manage.py serve` with a home and a port of its own."""

    def __init__(self, home: Path, environ: dict[str, str], *, port: int | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        home.mkdir(parents=True, exist_ok=True)
        self.log = home.with_suffix(f".{self.port}.{time.monotonic_ns()}.log")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env={
                    "WEIGHHOUSE_DEMO": "0",
                    **environ,
                    "WEIGHHOUSE_HOME": str(home),
                    "WEIGHHOUSE_BIND": f"127.0.0.1:{self.port}",
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text()

    def is_alive(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/healthz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait_for(self, words: str, seconds: float = START) -> None:
        try:
            wait_until(
                lambda: words in self.said() or self.process.poll() is not None, seconds, words
            )
        finally:
            if words not in self.said():
                print(self.said())
        assert words in self.said()

    def below(self) -> dict[int, str]:
        """Every process of this site but `serve` itself, whoever its parent is by now."""
        found = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("WEIGHHOUSE_HOME") == str(self.home):
                    found[process.pid] = " ".join(process.cmdline())
            except psutil.Error:
                continue
        found.pop(self.process.pid, None)
        return found

    def leader(self, word: str) -> int | None:
        """The process that `serve` itself started for a role."""
        own = processes.children(self.process.pid)
        found = (pid for pid, line in self.below().items() if word in line and pid in own)
        return next(found, None)

    def heals(self, word: str) -> None:
        """Kill the process of a role and wait for another in its place."""
        before = self.leader(word)
        assert before
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.leader(word) not in {None, before}, 30, f"{word} healed")

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until `serve` had ended."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)
        return time.monotonic() - started

    def kill(self) -> None:
        processes.kill(self.process.pid)
        self.process.wait()
        for pid in self.below():
            processes.kill(pid)


Start = Callable[..., Site]


@pytest.fixture
def start(clean_environ: dict[str, str]) -> Iterator[Start]:
    sites: list[Site] = []

    def begin(home: Path, *, port: int | None = None, **more: str) -> Site:
        sites.append(site := Site(home, {**clean_environ, **more}, port=port))
        return site

    yield begin
    for site in sites:
        site.kill()


def test_it_starts_heals_keeps_its_data_and_leaves_nothing_behind(
    start: Start, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    site = start(home)
    site.wait_for("Weighhouse is ready at")
    assert f"http://127.0.0.1:{site.port}/" in site.said()
    assert site.is_alive()
    password = re.search(r"name admin, password (\S+)", site.said())
    assert password
    assert len(password[1]) >= 16
    roles = ("gunicorn", "inspect,convert", "queues smoke", "sweep")
    wait_until(lambda: all(site.leader(role) for role in roles), START, "every role")
    for role in roles:
        site.heals(role)
    wait_until(site.is_alive, START, "the portal healed")
    assert site.interrupt() < 10
    assert site.below() == {}
    secret = (home / "secret_key").read_text()

    again = start(home)
    again.wait_for("Weighhouse is ready at")
    assert "password" not in again.said()
    assert (home / "secret_key").read_text() == secret
    assert _people(home) == ["admin"]
    again.process.send_signal(signal.SIGTERM)
    again.process.wait(timeout=10)
    assert again.below() == {}


def _people(home: Path) -> list[str]:
    with sqlite3.connect(home / "weighhouse.sqlite3") as database:
        return [row[0] for row in database.execute("SELECT username FROM registry_user")]


def test_a_second_one_on_the_same_folder_is_refused_and_says_who_has_it(
    start: Start, tmp_path: Path
) -> None:
    site = start(tmp_path / "home")
    site.wait_for("Preparing")
    other = start(tmp_path / "home")
    other.wait_for(f"Process {site.process.pid} already serves {tmp_path / 'home'}")
    assert other.process.wait(timeout=10) == 1
    assert "Traceback" not in other.said()


def test_a_port_in_use_is_said_plainly(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site = start(tmp_path / "home", port=port)
        site.wait_for(f"127.0.0.1:{port} cannot be listened on: Address already in use")
        assert site.process.wait(timeout=10) == 1
    assert "Traceback" not in site.said()


def test_a_chosen_password_is_not_printed_and_a_weak_one_is_warned_of(
    start: Start, tmp_path: Path
) -> None:
    site = start(tmp_path / "home", WEIGHHOUSE_ADMIN_PASSWORD="sesame")
    site.wait_for("Weighhouse is ready at")
    assert "sesame" not in site.said()
    assert "admin.weak_password" in site.said()


def test_a_killed_serve_takes_everybody_with_it(start: Start, tmp_path: Path) -> None:
    site = start(tmp_path / "home")
    site.wait_for("Weighhouse is ready at")
    wait_until(lambda: site.leader("sweep") is not None, START, "the sweeper")
    site.process.kill()
    site.process.wait()
    wait_until(lambda: not site.below(), 15, "everybody gone")
