"""The warm parent, ``python -m scanner smoke --serve``: torch imported once, one job at a time.

A job is a line of JSON on standard input; progress and the one result are lines on standard
output. Each job runs in a forked runner, which forks the jailed children and goes with them: this
process reads no model, keeps nothing of a job, and has no thread that a fork could lose.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from scanner import smoke
from scanner.errors import EngineError, ScannerError
from scanner.report import Json
from scanner.sandbox import linux
from scanner.smoke.jobs import Cancel, Job, understood
from scanner.smoke.outcome import failed, to_json
from scanner.smoke.warm import has_gpu, settle, warm

Body = dict[str, Json]

_LINE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
#: The runner and its children go first when memory runs out.
_EXPENDABLE = 500
_NOT_SHOWN, _OURS = 1, 2


@dataclass(slots=True)
class Running:
    """One job under way: its runner, what of its words has not made a line yet, and its answer."""

    job: Job
    runner: int
    reader: int
    answer: Body | None = None
    words: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Server:
    """``source`` and ``sink`` are descriptors. Ends when ``source`` does and what came from it is
    done, or when nobody reads ``sink`` any more."""

    source: int
    sink: int
    waiting: deque[Job] = field(default_factory=deque)
    running: Running | None = None
    open: bool = True
    words: bytearray = field(default_factory=bytearray)

    def serve(self) -> None:
        self.say({"serving": True, "device": _device(), "pid": os.getpid()})
        try:
            while self.open or self.running or self.waiting:
                if self.running is None and self.waiting:
                    self.running = _start(self.waiting.popleft())
                self._wait()
        finally:
            self._stop()

    def say(self, body: Body) -> None:
        line = memoryview(json.dumps(body).encode() + b"\n")
        while line:
            line = line[os.write(self.sink, line) :]

    def _wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            if self.open:
                selector.register(self.source, selectors.EVENT_READ, self._hear)
            if self.running is not None:
                selector.register(self.running.reader, selectors.EVENT_READ, self._follow)
            for key, _ in selector.select():
                heard: Callable[[], None] = key.data
                heard()

    def _hear(self) -> None:
        """Lines from the client."""
        data = os.read(self.source, _READ_BYTES)
        self.open = bool(data)
        for line in _lines(self.words, data):
            self._asked(line)
        if len(self.words) > _LINE_BYTES:
            raise EngineError("smoke.job", f"a job is a line of at most {_LINE_BYTES} bytes")

    def _asked(self, line: bytes) -> None:
        try:
            asked = understood(line)
        except EngineError as error:
            self.say(_error(error.params.get("id"), error.code, error.message))
            return
        if isinstance(asked, Job):
            self.waiting.append(asked)
        else:
            self._cancel(asked)

    def _cancel(self, cancel: Cancel) -> None:
        """A job that has been answered, or was never asked for, is none of ours any more."""
        under_way = self.running is not None and self.running.job.id == cancel.id
        kept = deque(job for job in self.waiting if job.id != cancel.id)
        if under_way:
            self._stop()
        if under_way or len(kept) < len(self.waiting):
            self.say(_error(cancel.id, "smoke.cancelled", "the job was cancelled"))
        self.waiting = kept

    def _follow(self) -> None:
        """Progress is passed on as it comes, the answer once the runner is gone; its end without
        one is an answer, too."""
        running = self.running
        if running is None:
            return
        data = os.read(running.reader, _READ_BYTES)
        for line in _lines(running.words, data):
            body: Body = json.loads(line)
            if "status" in body:
                running.answer = body
            else:
                self.say(body)
        if not data:
            self._stop()
            self.say(running.answer or _killed(running.job))

    def _stop(self) -> None:
        """End the runner with all that it forked; nothing is left behind."""
        running, self.running = self.running, None
        if running is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(running.runner, signal.SIGKILL)
        os.waitpid(running.runner, 0)
        os.close(running.reader)


def serve() -> None:
    """Serve this process's standard input and output until the input ends."""
    # Whatever a library prints goes to standard error: the lines on standard output are ours.
    sink = os.dup(1)
    os.dup2(2, 1)
    warm()
    settle()
    Server(0, sink).serve()


def _device() -> str:
    return "cuda" if has_gpu() else "cpu"


def _lines(words: bytearray, data: bytes) -> Iterator[bytes]:
    """The lines that ``data`` completes; the rest stays in ``words``."""
    words += data
    while (end := words.find(b"\n")) >= 0:
        line = bytes(words[:end])
        del words[: end + 1]
        if line.strip():
            yield line


def _error(job: object, code: str, message: str) -> Body:
    name = job if isinstance(job, str) else None
    return {"id": name, "status": _OURS, "error": {"code": code, "message": message}}


def _killed(job: Job) -> Body:
    ended = failed("sandbox.killed", "the run was killed, most likely for want of memory")
    return {"id": job.id, "status": _NOT_SHOWN, "result": to_json(ended)}


def _start(job: Job) -> Running:
    reader, writer = os.pipe()
    parent = os.getpid()
    runner = os.fork()
    if not runner:
        os.close(reader)
        _be_the_runner(job, writer, parent)
    os.close(writer)
    # Both sides set it: whoever comes first, a kill finds the group.
    with suppress(OSError):
        os.setpgid(runner, runner)
    return Running(job, runner, reader)


def _be_the_runner(job: Job, writer: int, parent: int) -> NoReturn:
    """What stands above on this stack belongs to the parent."""
    try:
        os.setpgid(0, 0)
        linux.die_with_parent(parent)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        # Standard output leads to standard error already; the client's end is not ours to hold.
        _expendable()
        _answer(job, Server(0, writer).say)
    finally:
        os._exit(0)


def _expendable() -> None:
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(str(_EXPENDABLE))


def _answer(job: Job, say: Callable[[Body], None]) -> None:
    def step(done: int, total: int) -> None:
        say({"id": job.id, "done": done, "total": total, "what": smoke.STEP})

    try:
        result, status = smoke.shown(job.path, job.out, options=job.options, progress=step)
    except ScannerError as error:
        say(_error(job.id, error.code, error.message))
    except Exception as error:
        say(_error(job.id, "engine.failed", f"{type(error).__name__}: {error}"[:4_000]))
    else:
        say({"id": job.id, "status": status, "result": result})
