"""Ways out of a jail, tried for real. Each raises OSError where it is barred.

They do no harm where they succeed: what is written lies in a folder made for it, other processes
are looked at and not stopped, and nothing is started but ``true``.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scanner.sandbox import linux

if linux.SUPPORTED:
    import resource

Attempt = Callable[[], object]

SECRET, SOCKET = "secret", "socket"

# Numbers that the C library has no name for; those from 424 on are the same everywhere.
_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {
        "add_key": 248, "bpf": 321, "clone": 56, "keyctl": 250, "memfd_create": 319, "mq_open": 240,
        "perf_event_open": 298, "seccomp": 317, "shmget": 29, "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217, "bpf": 280, "clone": 220, "keyctl": 219, "memfd_create": 279,
        "mq_open": 180, "perf_event_open": 241, "seccomp": 277, "shmget": 194, "userfaultfd": 282,
    },
}  # fmt: skip
_IO_URING_SETUP, _FSOPEN, _PIDFD_OPEN, _CLONE3 = 425, 430, 434, 435
_FCHMODAT2, _SETXATTRAT = 452, 463
_X32 = 0x40000000
_PTRACE_SEIZE = 0x4206
_CLONE_NEWNS = 0x00020000
_SIGCHLD = 17
_SOME = 4096
# An array of one: type, size of a key, size of a value, entries.
_MAP = struct.pack("4I", 2, 4, 4, 1) + bytes(48)


def of_each(folder: Path) -> dict[str, Attempt]:
    """What no jail allows. ``folder`` holds a file and a bound datagram socket, made by the
    parent, to which it is no jail's business to get."""
    secret, other = folder / SECRET, folder / "other"
    parent = os.getpid()
    return {
        "read a file": lambda: os.open(secret, os.O_RDONLY),
        "write to a file": lambda: os.open(secret, os.O_WRONLY),
        "create a file": lambda: os.open(other, os.O_WRONLY | os.O_CREAT),
        "delete a file": secret.unlink,
        "rename a file": lambda: secret.rename(other),
        "link to a file": lambda: os.link(secret, folder / "linked"),
        "truncate a file": lambda: os.truncate(secret, 0),
        "change a file's mode": lambda: secret.chmod(0o777),
        "change a file's mode by a newer call": lambda: _raw(
            _FCHMODAT2, -100, os.fsencode(secret), 0o777, 0
        ),
        "change a file's times": lambda: os.utime(secret, (0, 0)),
        "mark a file": lambda: os.setxattr(secret, "user.marked", b"x"),
        "mark a file by a newer call": lambda: _marked(secret),
        "list a folder": lambda: list(folder.iterdir()),
        "read another process's memory": lambda: _read_memory(parent),
        "read another process's environment": lambda: os.open(
            f"/proc/{parent}/environ", os.O_RDONLY
        ),
        "open another process's memory": lambda: os.open(f"/proc/{parent}/mem", os.O_RDONLY),
        "trace another process": lambda: _checked("ptrace", _PTRACE_SEIZE, parent, 0, 0),
        "signal another process": lambda: os.kill(parent, 0),
        "hold another process": lambda: _raw(_PIDFD_OPEN, parent, 0),
        "limit another process": lambda: resource.prlimit(
            parent, resource.RLIMIT_CORE, resource.prlimit(parent, resource.RLIMIT_CORE)
        ),
        "fork": _fork,
        "fork by the call itself": _clone,
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "run a program from memory": _run_from_memory,
        "connect by TCP": lambda: _connect(socket.AF_INET, ("127.0.0.1", 9), socket.SOCK_STREAM),
        "send by UDP": _send_by_udp,
        "bind a port": _bind,
        "connect to an abstract socket": lambda: _connect(socket.AF_UNIX, "\0weighhouse"),
        "connect to a socket in a folder": lambda: _connect(socket.AF_UNIX, str(folder / SOCKET)),
        "connect by packets": lambda: _connect(
            socket.AF_UNIX, "\0weighhouse", socket.SOCK_SEQPACKET
        ),
        "wait for a connection": _accept,
        "send to a socket through a pair": lambda: _send_through_pair(folder / SOCKET),
        "raise a limit": _raise_a_limit,
        "open its own settings": lambda: os.open("/proc/self/oom_score_adj", os.O_WRONLY),
        "use io_uring": lambda: _raw(_IO_URING_SETUP, 1, bytes(120)),
        "make a BPF map": lambda: _named("bpf", 0, _MAP, len(_MAP)),
        "watch by perf": _perf,
        "handle page faults": lambda: _named("userfaultfd", 1),
        "use the keyring": lambda: _named("keyctl", 0, ctypes.c_long(-3), 1),
        "add a key": lambda: _named("add_key", b"user", b"weighhouse", b"x", 1, ctypes.c_long(-2)),
        "share memory": lambda: _named("shmget", 0, _SOME, 0o1600),
        "open a message queue": lambda: _named("mq_open", b"weighhouse", 0o102, 0o600, None),
        "leave the mount namespace": lambda: _checked("unshare", _CLONE_NEWNS),
        # A mount in the making, which lies nowhere yet.
        "mount": lambda: _raw(_FSOPEN, b"tmpfs", 0),
        "change the root": lambda: os.chroot(folder),
        "become root": lambda: os.setresuid(0, 0, 0),
        "run at real-time priority": lambda: os.sched_setscheduler(
            0, os.SCHED_FIFO, os.sched_param(1)
        ),
        "use the other calling convention": _other_convention,
    }


def of_strict(writable: int) -> dict[str, Attempt]:
    """What only the strict jail forbids. ``writable`` is a descriptor that the child inherits."""
    return {
        "write to an inherited file": lambda: os.write(writable, b"x"),
        "open a device": lambda: os.open("/dev/null", os.O_RDONLY),
        "open its own memory": lambda: os.open("/proc/self/mem", os.O_RDWR),
        "get a further descriptor": lambda: os.dup(writable),
        "make a pipe": os.pipe,
        "make a pair of sockets": socket.socketpair,
        "make memory executable": lambda: mmap.mmap(-1, _SOME, prot=mmap.PROT_READ | 4),
        "be read by others again": lambda: linux.prctl(linux.PR_SET_DUMPABLE, 1),
        "outlive its parent": lambda: linux.prctl(linux.PR_SET_PDEATHSIG, 0),
        "put up another filter": lambda: _named("seccomp", 2, 0, ctypes.byref(ctypes.c_uint32())),
    }


def _raw(number: int, *arguments: object) -> int:
    return linux.syscall(number, *(_argument(item) for item in arguments))


def _named(name: str, *arguments: object) -> int:
    number = _NUMBERS.get(platform.machine(), {}).get(name)
    if number is None:
        raise OSError(f"the number of {name} is not known on this machine")
    return _raw(number, *arguments)


def _argument(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _checked(name: str, *arguments: int) -> None:
    if getattr(linux.libc(), name)(*map(ctypes.c_long, arguments)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _read_memory(pid: int) -> None:
    """A forked process has its data where its parent has them."""
    here = ctypes.create_string_buffer(8)
    ours = _Vector(ctypes.addressof(here), 8)
    call = linux.libc().process_vm_readv
    if call(pid, ctypes.byref(ours), 1, ctypes.byref(_Vector(id(None), 8)), 1, 0) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _marked(path: Path) -> None:
    class Value(ctypes.Structure):
        _fields_ = (
            ("value", ctypes.c_char_p), ("size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
        )  # fmt: skip

    value = Value(b"x", 1, 0)
    size = ctypes.c_size_t(ctypes.sizeof(value))
    _raw(_SETXATTRAT, -100, os.fsencode(path), 0, b"user.new", ctypes.byref(value), size)


def _fork() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def _clone() -> None:
    """clone3, and clone without the C library."""
    arguments = (ctypes.c_uint64 * 11)()
    arguments[4] = _SIGCHLD
    with suppress(OSError):
        if not _raw(_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments)):
            os._exit(0)
        return
    if not _named("clone", _SIGCHLD, 0, 0, 0, 0):
        os._exit(0)


def _run_from_memory() -> None:
    fd = _named("memfd_create", b"x", 0)
    os.write(fd, b"#!/bin/true\n")
    os.execv(f"/proc/self/fd/{fd}", ["x"])


def _connect(family: int, address: tuple[str, int] | str, kind: int = socket.SOCK_DGRAM) -> None:
    with socket.socket(family, kind) as one:
        one.settimeout(1)
        # Somebody has to be there to refuse.
        with suppress(ConnectionRefusedError):
            one.connect(address)


def _accept() -> None:
    """A socket that binds itself to an abstract name, as CUDA's does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.bind("")
        one.listen()
        one.setblocking(False)
        with suppress(BlockingIOError):
            one.accept()


def _send_by_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", ("127.0.0.1", 9))


def _bind() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind(("127.0.0.1", 0))


def _send_through_pair(path: Path) -> None:
    """A datagram socket of a pair sends to any address: no socket(), no connect()."""
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, two:
        one.sendto(b"x", str(path))


def _raise_a_limit() -> None:
    # Python says ValueError where the kernel said EPERM, so not by the resource module.
    unlimited = (ctypes.c_ulong * 2)(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    if linux.libc().setrlimit(resource.RLIMIT_FSIZE, ctypes.byref(unlimited)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _perf() -> None:
    """A software clock of our own process: what the kernel allows first."""
    attributes = (ctypes.c_uint32 * 32)()
    attributes[0], attributes[1] = 1, 128
    _named("perf_event_open", ctypes.byref(attributes), 0, -1, -1, 0)


def _other_convention() -> None:
    """x86-64 has a second table of calls, which a careless filter forgets: getpid of that."""
    if platform.machine() != "x86_64":
        raise OSError("this machine has one convention")
    _raw(_X32 | 39)
