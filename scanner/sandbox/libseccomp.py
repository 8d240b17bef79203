"""The four calls of libseccomp that a filter takes, through ctypes.

The constants are those of ``seccomp.h``. Finding the library by its soname and not by searching
saves three processes and ten milliseconds at every start.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os

ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
#: Comparisons of a call's argument.
NOT_EQUAL, EQUAL, MASKED_EQUAL = 1, 4, 7
#: What says that this machine or this library has no such call, or need not be told.
_NEEDLESS = (errno.EINVAL, errno.EDOM, errno.EFAULT, errno.ENOENT)


class Condition(ctypes.Structure):
    """On the argument ``argument``: EQUAL and NOT_EQUAL to ``first``; MASKED_EQUAL: ``first`` is
    the mask and ``second`` what is left under it."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@functools.cache
def library() -> ctypes.CDLL | None:
    """libseccomp, or None where it is missing."""
    try:
        found = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    found.seccomp_init.restype = ctypes.c_void_p
    return found


def refusing(number: int) -> int:
    """The action that has a call fail with this errno."""
    return _ERRNO | number


class Filter:
    """A filter in the making, with what becomes of the calls that no rule names."""

    def __init__(self, library: ctypes.CDLL, otherwise: int) -> None:
        self._library = library
        self._context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(otherwise)))
        if not self._context:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    def rule(self, action: int, call: str | int, *conditions: Condition) -> None:
        """One rule; a call that this machine or library does not know by name needs none."""
        resolve = self._library.seccomp_syscall_resolve_name
        number = call if isinstance(call, int) else resolve(call.encode())
        failed = -self._library.seccomp_rule_add_array(
            self._context,
            ctypes.c_uint32(action),
            ctypes.c_int(number),
            ctypes.c_uint(len(conditions)),
            (Condition * len(conditions))(*conditions),
        )
        if failed and failed not in _NEEDLESS:
            raise OSError(failed, os.strerror(failed))

    def load(self) -> None:
        """Put the filter on this process. Needs no-new-privs."""
        failed = -self._library.seccomp_load(self._context)
        if failed:
            raise OSError(failed, os.strerror(failed))
