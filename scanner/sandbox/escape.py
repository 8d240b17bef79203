"""Try to break out of each jail, for real: what a start-up check and the tests ask."""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.errors import ScannerError
from scanner.limits import DEFAULT, MIB
from scanner.report import Json
from scanner.sandbox import child, linux
from scanner.sandbox.pipe import Tell

#: Each jail: whether it is strict, and whether it is open to a GPU.
_JAILS = {"strict": (True, False), "loose": (False, False), "gpu": (False, True)}
_LIMITS = DEFAULT._replace(memory_bytes=64 * MIB, cpu_seconds=5, wall_seconds=10)


@functools.cache
def available(*, strict: bool = True, gpu: bool = False) -> tuple[str, ...]:
    """The layers that hold on this machine, found out by shutting a jail once."""
    try:
        layers = child.run(lambda tell: list(child.held()), strict=strict, gpu=gpu, limits=_LIMITS)
    except ScannerError:
        return ()
    return tuple(str(layer) for layer in layers) if isinstance(layers, list) else ()


def selftest() -> dict[str, dict[str, bool]]:
    """For each jail: every attempt to escape, and whether it was barred."""
    return {name: _of_jail(strict, gpu) for name, (strict, gpu) in _JAILS.items()}


def _of_jail(strict: bool, gpu: bool) -> dict[str, bool]:
    if not linux.SUPPORTED:
        return {}
    from scanner.sandbox import attempts

    with _ground() as (folder, writable):
        tried = attempts.of_each(folder)
        if strict:
            tried |= attempts.of_strict(writable)
        barred = {}
        for name, attempt in tried.items():
            barred[name] = _barred(attempt, strict, gpu, writable)
            # One that got through may have taken it away.
            (folder / attempts.SECRET).touch()
        return barred


@contextmanager
def _ground() -> Iterator[tuple[Path, int]]:
    """A folder with a file and a socket in it, and a descriptor of another file there."""
    from scanner.sandbox import attempts

    with (
        tempfile.TemporaryDirectory() as name,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        folder = Path(name)
        # Whoever the child becomes, it is the jail that has to stop it.
        folder.chmod(0o777)
        (folder / attempts.SECRET).write_text("not yours")
        (folder / attempts.SECRET).chmod(0o666)
        listening.bind(os.fspath(folder / attempts.SOCKET))
        (folder / attempts.SOCKET).chmod(0o777)
        with (folder / "inherited").open("wb") as inherited:
            yield folder, inherited.fileno()


def _barred(attempt: Callable[[], object], strict: bool, gpu: bool, writable: int) -> bool:
    def work(tell: Tell) -> Json:
        try:
            attempt()
        except OSError:
            return True
        return False

    try:
        answer = child.run(work, strict=strict, gpu=gpu, limits=_LIMITS, descriptors=[writable])
    except ScannerError as error:
        # The filter kills for a call of another machine's table. Any other silence means that a
        # new program took the child's place.
        return "SIGSYS" in error.message
    return bool(answer)
