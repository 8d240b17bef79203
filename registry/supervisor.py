"""One process that keeps the others running: starts, heals and ends them.

It has no threads, since it forks: one loop waits for output, for ended children and for signals.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, Any

from registry import processes

#: Seconds that the programs have to end by themselves before they are killed.
GRACE = 5.0
#: Seconds until a program that died is started again; doubled each time it dies young.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
#: Having run for so many seconds, a program counts as sound.
SOUND_AFTER = 30.0
_LINE_LIMIT = 64 * 1024

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """A command to keep running, with the descriptors that it inherits.

    ``patience`` is how many seconds it waits for the site's first answer before it is started, so
    that it does not compete with it for the processor. One that runs ``once`` is over when it ends
    with status 0, and is tried ``tries`` times. ``orphaned_by`` is what it gets when the
    supervisor itself is killed. ``environ`` is added to that of all programs.
    """

    name: str
    command: tuple[str, ...]
    descriptors: tuple[int, ...] = ()
    patience: float = 0.0
    once: bool = False
    tries: int = 3
    orphaned_by: signal.Signals = signal.SIGKILL
    environ: Mapping[str, str] = field(default_factory=dict)


class Child:
    """A program, and the process that runs it at the moment, if any."""

    def __init__(self, program: Program, due: float) -> None:
        self.program = program
        #: When to start it next; None while it runs or when it is over.
        self.due: float | None = due
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._deaths = 0
        self._rest = b""

    def start(self, environ: Mapping[str, str]) -> IO[bytes]:
        """Start the process; where its output comes from."""
        self.process = subprocess.Popen(
            self.program.command,
            env={**environ, **self.program.environ},
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self.program.descriptors,
            # A group of its own: Ctrl-C is for the supervisor, which ends everything in order.
            process_group=0,
            preexec_fn=processes.dying_with_parent(self.program.orphaned_by),
        )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self._started, self.due = time.monotonic(), None
        return self.process.stdout

    def ended(self, status: int) -> str:
        """Take note that the process is gone; what to say about it."""
        assert self.process
        self.process.returncode = status
        # What it started in its own group must not live on, nor hold on to the port.
        processes.kill_group(self.process.pid)
        self.process = None
        now = time.monotonic()
        self._deaths = 1 if now - self._started >= SOUND_AFTER else self._deaths + 1
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        if self.program.once and (not status or self._deaths >= self.program.tries):
            return "done" if not status else f"ended with {how}; not tried again"
        pause = min(FIRST_PAUSE * 2 ** (self._deaths - 1), LONGEST_PAUSE)
        self.due = now + pause
        return f"ended with {how}; starting it again in {pause:g} s"

    def lines(self, data: bytes) -> Iterator[str]:
        """Whole lines out of what was read; the rest waits for more."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_LIMIT or not data:
            whole, self._rest = [*whole, self._rest], b""
        return (line.decode("utf-8", "replace").rstrip() for line in whole if line.strip())


class Probe:
    """One request to the site, answered as soon as it is up: it waits in the socket's queue."""

    def __init__(self, address: tuple[str, int], host: str) -> None:
        self._address = address
        self._request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        self.socket: socket.socket | None = None

    def send(self) -> bool:
        with suppress(OSError):
            self.socket = socket.create_connection(self._address, timeout=1)
            self.socket.sendall(self._request.encode())
            self.socket.setblocking(False)
            return True
        return False

    def answered(self) -> bool:
        assert self.socket
        try:
            return self.socket.recv(16).split(b" ")[1:2] == [b"200"]
        except OSError:
            return False

    def close(self) -> None:
        if self.socket:
            self.socket.close()
            self.socket = None


class Supervisor:
    """Runs ``programs`` until it is told to stop. ``say`` gets (program, line); ``ready`` is
    called once, when ``probe`` has been answered."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environ: Mapping[str, str],
        say: Say,
        probe: Probe,
        ready: Callable[[], None],
    ) -> None:
        now = time.monotonic()
        self._children = [Child(program, now + program.patience) for program in programs]
        self._environ = dict(environ)
        self._say = say
        self._probe = probe
        self._ready = ready
        self._probe_due: float | None = now
        self._stops = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP; afterwards no process is left."""
        processes.adopt_orphans()
        with self._signals():
            try:
                while not self._stops:
                    self._start_due()
                    self._wait(self._pause())
                    self._mind_the_dead()
            finally:
                self._end()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        was = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ, woken)
        try:
            yield
        finally:
            signal.set_wakeup_fd(was)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            wake.close()
            woken.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stops += 1

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.due is not None and child.due <= now:
                output = child.start(self._environ)
                self._selector.register(output, selectors.EVENT_READ, child)
        if self._probe_due is not None and self._probe_due <= now:
            self._ask()

    def _ask(self) -> None:
        self._probe_due = None
        if self._probe.send() and self._probe.socket:
            self._selector.register(self._probe.socket, selectors.EVENT_READ, self._probe)
        else:
            self._probe_due = time.monotonic() + 1

    def _pause(self) -> float:
        """Seconds until something is due."""
        dues = [child.due for child in self._children if child.due is not None]
        if self._probe_due is not None:
            dues.append(self._probe_due)
        return max(0.0, min(dues, default=float("inf")) - time.monotonic()) if dues else 60.0

    def _wait(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Child):
                self._pass_on(key.fileobj, key.data)
            elif isinstance(key.data, Probe):
                self._hear()
            else:
                with suppress(BlockingIOError):
                    key.data.recv(4096)

    def _pass_on(self, output: Any, child: Child) -> bool:
        """Say what the process has written; whether there may be more at once."""
        data = output.read(_LINE_LIMIT)
        if data is None:
            return False
        for line in child.lines(data):
            self._say(child.program.name, line)
        if not data:
            self._selector.unregister(output)
            output.close()
        return bool(data)

    def _hear(self) -> None:
        assert self._probe.socket
        self._selector.unregister(self._probe.socket)
        answered = self._probe.answered()
        self._probe.close()
        if not answered:
            self._probe_due = time.monotonic() + 0.5
            return
        self._ready()
        for child in self._children:
            if child.due is not None:
                child.due = min(child.due, time.monotonic())

    def _mind_the_dead(self) -> None:
        for pid, status in processes.reap().items():
            child = self._child_of(pid)
            if child is None:
                continue
            self._drain(child)
            what = child.ended(status)
            self._say(child.program.name, what)
            # Left behind in other groups and sessions: ours by adoption, and nobody's work.
            for orphan in processes.children(os.getpid()) - self._known():
                processes.kill(orphan)

    def _child_of(self, pid: int) -> Child | None:
        owners = (c for c in self._children if c.process and c.process.pid == pid)
        return next(owners, None)

    def _known(self) -> set[int]:
        return {child.process.pid for child in self._children if child.process}

    def _drain(self, child: Child) -> None:
        """Say what the process had still written, and close its pipe."""
        output = child.process and child.process.stdout
        if not output or output.closed:
            return
        while self._pass_on(output, child):
            pass
        if not output.closed:
            # Somebody else holds the other end.
            self._selector.unregister(output)
            output.close()

    def _end(self) -> None:
        """Ask everybody to end, wait, then kill whoever is left, grandchildren too."""
        asked = self._stops
        for child in self._children:
            child.due = None
            if child.process:
                with suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._known() and time.monotonic() < deadline and self._stops <= asked:
            self._wait(0.2)
            for pid in processes.reap():
                if ended := self._child_of(pid):
                    self._drain(ended)
                    ended.process = None
        _kill_descendants()
        self._probe.close()


def _kill_descendants(patience: float = 3.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        left = processes.descendants(os.getpid())
        if not left:
            return
        for pid in left:
            processes.kill(pid)
        time.sleep(0.02)
        processes.reap()
