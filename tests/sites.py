"""A whole site for tests: ``manage.py serve`` with a home and a port of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from registry import processes
from tests.services import ROOT, free_port, wait_until

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


#: Starts a site: ``start(home, port=…, WEIGHHOUSE_…=…)``. Whatever it started is ended afterwards.
Start = Callable[..., Site]
