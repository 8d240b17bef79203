"""Try to break out of each jail, for real: what a start-up check and the tests ask."""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from scanner.errors import ScannerError
from scanner.limits import DEFAULT, MIB
from scanner.report import Json
from scanner.sandbox import child
from scanner.sandbox.pipe import Tell

_LIMITS = DEFAULT._replace(memory_bytes=64 * MIB, cpu_seconds=5, wall_seconds=10)
_OUT = "out"


@functools.cache
def available(*, strict: bool = True) -> tuple[str, ...]:
    """The layers that hold on this machine, found out by shutting a jail once."""
    try:
        layers = child.run(lambda tell: list(child.held()), strict=strict, limits=_LIMITS)
    except ScannerError:
        return ()
    return tuple(str(layer) for layer in layers) if isinstance(layers, list) else ()


def selftest() -> dict[str, dict[str, bool]]:
    """For each jail: every attempt to escape, and whether it was blocked."""
    return {name: _of_jail(strict=name == "strict") for name in ("strict", "loose")}


def _of_jail(*, strict: bool) -> dict[str, bool]:
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_text("not yours")
        attempts: dict[str, Callable[[], object]] = {
            "read": lambda: os.open(secret, os.O_RDONLY),
            "write": lambda: os.open(secret, os.O_WRONLY),
            "create": lambda: os.open(secret.with_name(_OUT), os.O_WRONLY | os.O_CREAT),
            "delete": secret.unlink,
            "list": lambda: list(Path(folder).iterdir()),
            "connect": _connect,
            "fork": _fork,
            "signal": lambda: os.kill(os.getppid(), 0),
            "exec": lambda: os.execv("/bin/true", ["true"]),
        }
        return {name: _blocked(attempt, strict) for name, attempt in attempts.items()}


def _connect() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        try:
            one.connect(("127.0.0.1", 9))
        except ConnectionRefusedError:
            return  # there was a network to refuse it


def _fork() -> None:
    if not os.fork():
        os._exit(0)


def _blocked(attempt: Callable[[], object], strict: bool) -> bool:
    def work(tell: Tell) -> Json:
        try:
            attempt()
        except OSError:
            return True
        return False

    try:
        return bool(child.run(work, strict=strict, limits=_LIMITS))
    except ScannerError:
        # A new program took the child's place and said nothing; or the kernel killed it.
        return False
