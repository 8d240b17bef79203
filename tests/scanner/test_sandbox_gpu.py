"""The loose jail with a GPU: what CUDA's driver does when it starts works, and nothing else does.

No GPU is needed: the jail is the same without one."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from scanner import sandbox
from scanner.limits import DEFAULT, MIB
from scanner.report import Json
from scanner.sandbox import jail as jails
from scanner.sandbox import landlock, libseccomp, linux

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not landlock.version() or libseccomp.library() is None,
    reason="this machine lacks Landlock or libseccomp",
)

QUICK = DEFAULT._replace(memory_bytes=128 * MIB, cpu_seconds=5, wall_seconds=10)
SEQPACKET = socket.SOCK_SEQPACKET
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def met(action: Callable[[], object], *, gpu: bool = True, **options: object) -> str | None:
    """The name of the error that ``action`` met in a loose jail, or None."""

    def work(tell: sandbox.Tell) -> Json:
        try:
            action()
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return None

    answer = sandbox.run(work, strict=False, gpu=gpu, limits=QUICK, **options)  # type: ignore[arg-type]
    assert answer is None or isinstance(answer, str)
    return answer


@contextmanager
def packets() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, SEQPACKET | socket.SOCK_CLOEXEC) as one:
        yield one


def listen() -> None:
    with packets() as one:
        one.bind(f"\0cuda-uvmfd-{os.getpid()}")
        one.listen()


def accept() -> None:
    with packets() as one:
        one.bind("")
        one.listen()
        one.setblocking(False)
        one.accept()


def connect(address: str) -> None:
    with packets() as one:
        one.connect(address)


def send_to(address: str, *, bound: bool = False, by_message: bool = False) -> None:
    with packets() as one:
        if bound:
            one.bind("")
            one.listen()
        if by_message:
            one.sendmsg([b"x"], [], 0, address)
        else:
            one.sendto(b"x", address)


def make(family: int, kind: int) -> None:
    """By the call itself: the family and kind as they are, whatever Python thinks of them."""
    made = linux.libc().socket(ctypes.c_int(family), ctypes.c_int(kind), ctypes.c_int(0))
    if made < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def name_a_thread() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        comm = Path(f"/proc/self/task/{thread.native_id}/comm")
        comm.write_text("cuda-EvtHandlr")
        assert comm.read_text() == "cuda-EvtHandlr\n"
    finally:
        done.set()
        thread.join()


def remember() -> None:
    fd = os.memfd_create("cuda")
    os.write(fd, b"x")


def run_from_memory() -> None:
    fd = os.memfd_create("program")
    os.write(fd, b"#!/bin/true\n")
    os.execve(fd, ["program"], {})


@contextmanager
def listening(address: str) -> Iterator[str]:
    with packets() as one:
        one.bind(address)
        one.listen()
        yield address


@pytest.mark.parametrize("action", [listen, remember, name_a_thread])
def test_what_cuda_starts_with_works_with_a_gpu_and_not_without(
    action: Callable[[], object],
) -> None:
    assert met(action) is None
    assert met(action, gpu=False) in {"EPERM", "EACCES"}


def test_no_other_socket_can_be_made() -> None:
    kinds = [kind | flags for kind in range(1, 16) for flags in (0, socket.SOCK_CLOEXEC)]
    families = range(socket.AF_UNIX + 1, 46)
    wanted = [(int(socket.AF_UNIX), kind) for kind in kinds if kind & 15 != SEQPACKET]
    wanted += [(family, int(kind)) for family in families for kind in (1, 2, 3, SEQPACKET)]

    def work(tell: sandbox.Tell) -> Json:
        made: list[Json] = []
        for family, kind in wanted:
            try:
                make(family, kind)
            except OSError as error:
                if error.errno == errno.EPERM:
                    continue
            made.append([family, kind])
        return made

    assert sandbox.run(work, strict=False, gpu=True, limits=QUICK) == []


def test_the_socket_reaches_nobody_and_nobody_it(tmp_path: Path) -> None:
    with (
        listening(f"\0weighhouse-{os.getpid()}") as abstract,
        listening(str(tmp_path / "socket")) as path,
    ):
        for address in (abstract, path):
            connect(address)
            assert met(partial(connect, address)) == "EPERM"
            for bound, by_message in itertools.product((False, True), repeat=2):
                send = partial(send_to, address, bound=bound, by_message=by_message)
                assert met(send) == "ENOTCONN"
    assert met(accept) == "EPERM"
    assert met(lambda: socket.socketpair(socket.AF_UNIX, SEQPACKET)) == "EPERM"


def test_the_socket_is_bound_to_no_path(tmp_path: Path) -> None:
    def bind() -> None:
        with packets() as one:
            one.bind(str(tmp_path / "socket"))

    assert met(bind, writes=[tmp_path]) == "EACCES"


def test_memory_with_a_descriptor_runs_nothing() -> None:
    assert met(run_from_memory) == "EPERM"


@pytest.mark.parametrize("name", ["oom_score_adj", "clear_refs", "comm", "mem"])
def test_of_proc_only_the_threads_are_written_to(name: str) -> None:
    assert met(lambda: os.open(f"/proc/self/{name}", os.O_WRONLY)) == "EACCES"
    assert met(lambda: os.open(f"/proc/{os.getppid()}/task", os.O_RDONLY)) == "EACCES"


def test_files_outside_stay_shut_and_the_folders_of_libraries_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, link, other = tmp_path / "lib", tmp_path / "link", tmp_path / "other"
    for folder in (library, other):
        folder.mkdir()
        (folder / "file").write_text("x")
    link.symlink_to(library)
    root = tmp_path / "root"
    root.symlink_to("/")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{link}:other;/:://:{root}:/missing")
    assert met((library / "file").read_text) is None
    assert met(lambda: (library / "file").write_text("y")) == "EACCES"
    assert met((library / "file").read_text, gpu=False) == "EACCES"
    assert met((other / "file").read_text) == "EACCES"
    assert jails.searched() == (library.resolve(), Path("/missing"))
    monkeypatch.delenv("LD_LIBRARY_PATH")
    assert jails.searched() == ()
    assert met((library / "file").read_text) == "EACCES"


@pytest.mark.skipif(not os.access(DROP_CACHES, os.W_OK), reason="only root drops caches")
def test_what_is_allowed_of_proc_outlasts_a_want_of_memory() -> None:
    pressed, press = os.pipe()

    def progress(*told: object) -> None:
        for _ in range(2):
            DROP_CACHES.write_text("2")
        os.write(press, b"x")

    def work(tell: sandbox.Tell) -> Json:
        tell("press", 0, 0)
        os.read(pressed, 1)
        name_a_thread()
        return Path("/proc/meminfo").read_text().startswith("MemTotal")

    options = {"limits": QUICK, "progress": progress, "descriptors": [pressed]}
    try:
        assert sandbox.run(work, strict=False, gpu=True, **options) is True  # type: ignore[arg-type]
    finally:
        os.close(pressed)
        os.close(press)
