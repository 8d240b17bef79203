"""Landlock: which paths and TCP ports a process may reach. Raw system calls, no library.

Facts: Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h of the kernel.
"""

from __future__ import annotations

import ctypes
import functools
import os
import stat
from collections.abc import Iterable

from scanner.sandbox import linux

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
REFER = 1 << 13
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
DEVICE = READ | WRITE_FILE | IOCTL_DEV
NAMES = READ | WRITE_FILE | TRUNCATE

#: Rights that make sense on something that is not a folder.
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
#: Where the kernel forgets a folder that nobody holds, and makes another for the next who looks.
_FORGOTTEN = "/proc/"
_BIND_AND_CONNECT_TCP = 0b11
#: Abstract UNIX sockets, and signals to processes outside.
_SCOPES = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


@functools.cache
def version() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    if not linux.SUPPORTED:
        return 0
    try:
        none = ctypes.c_void_p(None)
        return linux.syscall(
            _CREATE_RULESET, none, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)
        )
    except OSError:
        return 0


def _known_rights(abi: int) -> int:
    """Every file-system right that this kernel can withhold."""
    bits = 13
    if abi >= 2:
        bits = 14
    if abi >= 3:
        bits = 15
    if abi >= 5:
        bits = 16
    return (1 << bits) - 1


def restrict(rules: Iterable[tuple[str, int]]) -> None:
    """Withhold every path, and TCP, from this process; ``rules`` give rights back beneath a path.
    Paths that do not exist are passed over. Needs no-new-privs. Raises OSError."""
    abi = version()
    if not abi:
        raise OSError("this kernel has no Landlock")
    handled = _known_rights(abi)
    ruleset = _Ruleset(
        handled, _BIND_AND_CONNECT_TCP if abi >= 4 else 0, _SCOPES if abi >= 6 else 0
    )
    # Older kernels refuse a longer structure only when its tail is not zero.
    size = ctypes.c_size_t(ctypes.sizeof(ruleset))
    fd = linux.syscall(_CREATE_RULESET, ctypes.byref(ruleset), size, ctypes.c_uint32(0))
    try:
        for path, rights in rules:
            _allow(fd, path, rights & handled)
        linux.syscall(_RESTRICT_SELF, ctypes.c_int(fd), ctypes.c_uint32(0))
    finally:
        os.close(fd)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES
        rule = _PathBeneath(rights, fd)
        linux.syscall(
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        # A rule is of the folder that was there: short of memory, /proc would lose it.
        if not path.startswith(_FORGOTTEN):
            os.close(fd)
