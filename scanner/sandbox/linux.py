"""The Linux calls that Python does not wrap, through ctypes. Import-safe everywhere."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522

SUPPORTED = sys.platform.startswith("linux")


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library of this process, with errno kept."""
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number: int, *arguments: object) -> int:
    """A raw system call; raises OSError as the os module would."""
    return _checked(libc().syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, first: int = 0, second: int = 0) -> None:
    unused = ctypes.c_ulong(0)
    _checked(libc().prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), unused, unused))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent goes."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have gone before the call.
    if os.getppid() != parent:
        os._exit(1)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities() -> None:
    """Give up every capability, for good once no-new-privs is set."""
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(libc().capset(ctypes.byref(header), nothing))


def mapped_bytes() -> int:
    """Address space that this process has mapped already; RLIMIT_AS counts it."""
    if not SUPPORTED:
        return 0
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
