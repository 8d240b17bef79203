"""Run one function in a jailed child process and take back one bounded JSON result."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from scanner.errors import EngineError, FileError, ScannerError
from scanner.limits import DEFAULT, Limits
from scanner.report import Json
from scanner.sandbox import jail as jails
from scanner.sandbox import linux, pipe
from scanner.sandbox.jail import Jail
from scanner.sandbox.pipe import Tell

#: The work: told how to tell of progress, it returns something that JSON can hold.
Work = Callable[[Tell], Json]

#: Values that a strict child makes before it looks for garbage.
_GARBAGE = 100_000
_held: tuple[str, ...] = ()


def held() -> tuple[str, ...]:
    """The layers that hold around this very process; empty outside of a jail."""
    return _held


def run(
    work: Work,
    *,
    strict: bool = True,
    limits: Limits = DEFAULT,
    progress: Tell | None = None,
    descriptors: Iterable[int] = (),
    threads: bool | None = None,
    file_bytes: int | None = None,
    reads: Iterable[Path] = (),
    writes: Iterable[Path] = (),
    gpu: bool = False,
) -> Json:
    """Run ``work(tell)`` in a forked child with a jail shut around it; return what it returns.

    ``descriptors`` are the open files that the child keeps, beside its pipe. ``threads`` allows
    threads (loose: yes unless said otherwise). ``file_bytes`` bounds what it may write to one
    file (strict: nothing unless said otherwise). ``reads`` and ``writes`` are the paths of a
    loose jail. What must be imported has to be imported before. Errors raised on purpose come
    back as they are; otherwise ``FileError`` (``sandbox.timeout``, ``sandbox.cpu``,
    ``sandbox.memory``, ``sandbox.output_too_large``) or ``EngineError`` (``sandbox.crashed``,
    ``sandbox.killed``, ``sandbox.failed``, ``sandbox.unavailable``)."""
    if not hasattr(os, "fork"):
        raise EngineError("sandbox.unavailable", "this system cannot fork")
    jail = Jail(
        strict=strict,
        address_space=None if gpu else linux.mapped_bytes() + limits.memory_bytes,
        cpu_seconds=limits.cpu_seconds,
        file_bytes=file_bytes if file_bytes is not None else (0 if strict else limits.memory_bytes),
        threads=not strict if threads is None else threads,
        # The child's environment is empty by the time its jail is shut.
        reads=(*reads, *(jails.searched() if gpu else ())),
        writes=tuple(writes),
        gpu=gpu,
    )
    jails.prepare(jail)
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if not child:
        _be_the_child(work, jail, {*descriptors, writer}, writer, parent, limits.report_bytes)
    os.close(writer)
    return _await(child, reader, limits, progress)


def _await(child: int, reader: int, limits: Limits, progress: Tell | None) -> Json:
    """The child's result. Whatever happens, no child and no descriptor is left behind."""
    gone = False
    try:
        deadline = time.monotonic() + limits.wall_seconds
        said: tuple[bytes, Json] | None = None
        for kind, body in pipe.frames(reader, deadline, limits.report_bytes):
            if kind in (pipe.RESULT, pipe.ERROR):
                said = kind, body
            elif progress is not None:
                _pass_on(body, progress)
        _, status = os.waitpid(child, 0)
        gone = True
        return _outcome(said, os.waitstatus_to_exitcode(status))
    finally:
        os.close(reader)
        if not gone:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _pass_on(body: Json, progress: Tell) -> None:
    match body:
        case [str(step), int(done), int(total)]:
            progress(step[:64], done, total)


def _outcome(said: tuple[bytes, Json] | None, status: int) -> Json:
    if status == -signal.SIGXCPU:
        raise FileError("sandbox.cpu", "the file took too much processor time to read")
    if status == -signal.SIGKILL:
        raise EngineError("sandbox.killed", "the child was killed, most likely for want of memory")
    if status or said is None:
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        raise EngineError("sandbox.crashed", f"the child ended with {how} and no result")
    kind, body = said
    if kind == pipe.ERROR:
        raise pipe.as_error(body)
    return body


def _be_the_child(
    work: Work, jail: Jail, keep: set[int], writer: int, parent: int, largest: int
) -> None:
    """Never returns: what stands above on this stack belongs to the parent."""
    global _held
    status = 1
    try:
        if linux.SUPPORTED:
            linux.die_with_parent(parent)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
        _close_all_but(keep)
        os.environ.clear()
        # A collection would touch, and so copy, every page that the parent shares with us.
        gc.freeze()
        if jail.strict:
            # What is parsed here is many small values and hardly a cycle among them.
            gc.set_threshold(_GARBAGE)
        gc.enable()
        _held = jails.shut(jail)
        _answer(work, writer, largest)
        status = 0
    finally:
        os._exit(status)


def _answer(work: Work, writer: int, largest: int) -> None:
    tell = pipe.teller(writer)
    try:
        body = json.dumps(work(tell)).encode()
        if len(body) > largest:
            raise pipe.too_large(largest)
        kind = pipe.RESULT
    except MemoryError:
        kind, body = pipe.ERROR, _out_of_memory()
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        kind, body = pipe.ERROR, pipe.error_body(error)
    pipe.send(writer, kind, body)


def _out_of_memory() -> bytes:
    error: ScannerError = FileError("sandbox.memory", "the file needs more memory than is allowed")
    return pipe.error_body(error)


def _close_all_but(keep: set[int]) -> None:
    """Close every descriptor but ``keep``; the three standard ones lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        if standard not in keep:
            os.dup2(null, standard)
    start = 3
    for fd in sorted(fd for fd in keep if fd >= 3):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
