"""The smoke test's warm parent: one process that has torch imported and forks a child a job.

It belongs to the worker process that started it, dies with it, and is started again when it has
died or has done its share of jobs. Where it cannot be started, each job imports torch for itself.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO, Any

import structlog

from registry import engine, processes
from registry.engine import Answer, Drawing, Progress
from registry.errors import EngineError

log = structlog.get_logger(__name__)

#: Seconds that importing torch may take on a busy machine.
START = 180.0
#: After a start that failed, jobs do without for so many seconds.
PAUSE = 600.0
#: What libraries leak in one job is small, and gone after so many.
MOST_JOBS = 100
#: Seconds that a cancelled job has to end before the parent goes with it.
GRACE = 5.0


class Server:
    """``python -m scanner smoke --serve``, and one job after the other for it."""

    def __init__(self) -> None:
        self.process = engine.started_process(["smoke", "--serve"], stdin=subprocess.PIPE)
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.jobs = 0
        self.is_ready = False
        self._started = time.monotonic()
        self._input: IO[bytes] = self.process.stdin
        self._numbers = itertools.count(1)
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._said = b""
        for follow, stream in (
            (self._follow, self.process.stdout),
            (self._listen, self.process.stderr),
        ):
            threading.Thread(target=follow, args=(stream,), daemon=True).start()

    @property
    def is_usable(self) -> bool:
        return self.process.poll() is None and self.jobs < MOST_JOBS

    def wait_until_ready(self, progress: Progress) -> None:
        """``EngineError`` if it does not come up; what ``progress`` raises leaves it coming."""
        while not self.is_ready:
            if time.monotonic() > self._started + START:
                raise EngineError("engine.timeout", f"not ready after {START:.0f} s")
            message = self._next(progress)
            self.is_ready = bool(message and message.get("serving"))

    def draw(self, drawing: Drawing, progress: Progress, timeout: float) -> Answer:
        """One job. After any failure of its own the server is gone; after one of the job's, and
        after a cancelled job, it takes the next."""
        number = str(next(self._numbers))
        self.jobs += 1
        started = time.monotonic()
        try:
            self._send({"id": number, **drawing.job()})
            last = self._last_word(number, progress, started + timeout)
        except EngineError:
            self.end()
            raise
        except BaseException:
            self._cancel(number)
            raise
        return _answer(last, time.monotonic() - started)

    def end(self) -> None:
        """End it with all it started."""
        with suppress(OSError):
            self._input.close()
        processes.kill_group(self.process.pid)
        self.process.wait()

    def _last_word(self, number: str, progress: Progress, deadline: float) -> dict[str, Any]:
        while True:
            if time.monotonic() > deadline:
                raise EngineError("engine.timeout", "the drawing took too long")
            message = self._next(progress)
            if message is None or message.get("id") != number:
                continue
            if "status" in message:
                return message
            if step := _step(message):
                progress(*step)

    def _next(self, progress: Progress) -> dict[str, Any] | None:
        """What it says next; None, and a sign of life to ``progress``, while it is silent."""
        try:
            line = self._lines.get(timeout=engine.TICK)
        except queue.Empty:
            progress(0, 0, "")
            return None
        if line is None:
            status = self.process.wait()
            said = self._said.decode("utf-8", "replace").strip()
            raise EngineError("engine.killed", f"the warm parent ended ({status}); {said}")
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise EngineError("engine.garbled", "the warm parent spoke no JSON")
        return message

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._input.write(json.dumps(message).encode() + b"\n")
            self._input.flush()
        except (OSError, ValueError) as error:
            raise EngineError("engine.killed", f"the warm parent is gone: {error}") from error

    def _cancel(self, number: str) -> None:
        """Have the job ended; if that does not happen soon, all of it."""
        deadline = time.monotonic() + GRACE

        def hurry(done: int, total: int, what: str) -> None:
            if time.monotonic() > deadline:
                raise EngineError("engine.timeout", "the job does not end")

        try:
            self._send({"cancel": number})
            self._last_word(number, hurry, deadline)
        except EngineError:
            self.end()

    def _follow(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while line := stream.readline(engine.OUTPUT_LIMIT):
                self._lines.put(line)
        self._lines.put(None)

    def _listen(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while data := stream.readline(engine.STDERR_KEPT):
                self._said = (self._said + data)[-engine.STDERR_KEPT :]


def _step(message: dict[str, Any]) -> tuple[int, int, str] | None:
    try:
        return int(message["done"]), int(message["total"]), str(message.get("what") or "smoke")
    except (KeyError, TypeError, ValueError):
        return None


def _answer(last: dict[str, Any], seconds: float) -> Answer:
    result, problem = last.get("result"), last.get("error")
    if last["status"] in (0, 1) and isinstance(result, dict):
        return Answer(status=int(last["status"]), data=result, seconds=seconds)
    if not isinstance(problem, dict):
        raise EngineError("engine.garbled", "neither a result nor an error")
    code = str(problem.get("code") or "engine.failed")
    raise EngineError(code, str(problem.get("message") or ""))


class _Own:
    """This process's server, if it has one."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.not_before = 0.0
        self.busy = threading.Lock()


_own = _Own()


def _forget() -> None:
    """In a fork: the server is the parent's, and so is the other end of its pipes."""
    global _own
    _own = _Own()


os.register_at_fork(after_in_child=_forget)


def smoke(
    drawing: Drawing, progress: Progress, *, timeout: float = engine.DRAWING_TIMEOUT
) -> Answer:
    """As ``engine.smoke``, by the warm parent where there is one or one can be started."""
    own = _own
    if not own.busy.acquire(blocking=False):
        # Another thread of this process draws; the server takes one job at a time.
        return engine.smoke(drawing, progress, timeout=timeout)
    try:
        server = _server(own, progress)
        if server is not None:
            return server.draw(drawing, progress, timeout)
    finally:
        own.busy.release()
    return engine.smoke(drawing, progress, timeout=timeout)


def end() -> None:
    """End this process's server; the next job starts another."""
    if _own.server is not None:
        _own.server.end()
        _own.server = None


def _server(own: _Own, progress: Progress) -> Server | None:
    if own.server is not None and not own.server.is_usable:
        own.server.end()
        own.server = None
    if own.server is None and time.monotonic() < own.not_before:
        return None
    try:
        own.server = own.server or Server()
        own.server.wait_until_ready(progress)
    except (EngineError, OSError) as error:
        log.warning("warm.not_started", error=str(error)[-500:], pause=PAUSE)
        own.not_before = time.monotonic() + PAUSE
        if own.server is not None:
            own.server.end()
            own.server = None
    return own.server
