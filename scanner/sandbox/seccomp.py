"""seccomp: which system calls a process may make. Needs pyseccomp and libseccomp2.

*strict* allows what a list names and refuses the rest; *loose* refuses what a list names, because
torch and CUDA use more calls than anyone can list. A refused call fails with EPERM, so that a
library that merely tries something goes on.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from types import ModuleType
from typing import Any

#: Reading and writing open descriptors, memory, time, threads' locks, and going away.
STRICT_ALLOWS = (
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev",
    "lseek", "copy_file_range", "sendfile", "fstat", "newfstatat", "statx", "fstatfs", "fsync",
    "fdatasync", "sync_file_range", "ftruncate", "fallocate", "fadvise64", "readahead", "close",
    "close_range", "poll", "ppoll", "select", "pselect6",
    "brk", "munmap", "mremap", "madvise", "msync", "mincore", "mlock", "munlock",
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "membarrier",
    "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "getrandom", "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid",
    "getrlimit", "getrusage", "times", "sysinfo", "uname", "getcpu", "exit", "exit_group",
)  # fmt: skip

#: What reaches other processes, the network, the kernel's administration, or a new program.
LOOSE_REFUSES = (
    "execve", "execveat", "fork", "vfork",
    "socket", "connect", "bind", "listen", "accept", "accept4", "sendmmsg",
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp",
    "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
    "open_by_handle_at", "name_to_handle_at", "mknod", "mknodat", "chown", "fchown", "lchown",
    "fchownat", "setxattr", "lsetxattr", "fsetxattr", "link", "linkat", "symlink", "symlinkat",
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "keyctl", "add_key", "request_key",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "acct", "quotactl", "settimeofday", "clock_settime", "adjtimex",
    "clock_adjtime", "sethostname", "setdomainname", "iopl", "ioperm", "syslog", "vhangup",
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
    "setfsuid", "setfsgid", "capset", "personality", "fanotify_init",
    "inotify_init", "inotify_init1", "memfd_create",
)  # fmt: skip

_CLONE_THREAD = 0x00010000
_PROT_EXEC = 4
_PR_SET_NAME = 15
_TIOCSTI = 0x5412


@functools.cache
def library() -> ModuleType | None:
    """pyseccomp, or None where it or libseccomp is missing. Found before the fork: looking for
    the library starts processes."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError, AttributeError):
        return None
    module: ModuleType = pyseccomp
    return module


@functools.cache
def _prepared(strict: bool, threads: bool) -> Any:
    """The filter but for what the child's own number decides. Building one takes milliseconds,
    so it is built before the fork and every child gets a copy of the parent's memory."""
    module = library()
    if module is None:
        return None
    return _strict(module, threads) if strict else _loose(module, threads)


def prepare(*, strict: bool, threads: bool) -> None:
    """Build the filter, so that ``restrict`` in a child has little left to do."""
    with contextlib.suppress(OSError):
        _prepared(strict, threads)


def restrict(*, strict: bool, threads: bool) -> None:
    """Load the filter into this process. Needs no-new-privs. Raises OSError."""
    module, rules = library(), _prepared(strict, threads)
    if module is None or rules is None:
        raise OSError("pyseccomp or libseccomp is missing")
    # abort() signals its own thread; nothing else may be signalled.
    if strict:
        _rule(rules, module.ALLOW, "tgkill", module.Arg(0, module.EQ, os.getpid()))
    else:
        refused = module.ERRNO(errno.EPERM)
        _rule(rules, refused, "tgkill", module.Arg(0, module.NE, os.getpid()))
    rules.load()


def _rule(rules: Any, action: int, name: str, *conditions: object) -> None:
    """One rule; a call that this machine or library does not know needs none."""
    try:
        rules.add_rule(action, name, *conditions)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EDOM, errno.EFAULT, errno.ENOENT):
            raise


def _strict(module: Any, threads: bool) -> Any:
    rules = module.SyscallFilter(module.ERRNO(errno.EPERM))
    for name in STRICT_ALLOWS:
        _rule(rules, module.ALLOW, name)
    # New code is neither mapped nor made executable.
    for name in ("mmap", "mprotect"):
        _rule(rules, module.ALLOW, name, module.Arg(2, module.MASKED_EQ, _PROT_EXEC, 0))
    _rule(rules, module.ALLOW, "prctl", module.Arg(0, module.EQ, _PR_SET_NAME))
    # Reading limits, never setting them.
    _rule(rules, module.ALLOW, "prlimit64", module.Arg(2, module.EQ, 0))
    # clone3 hides its flags in memory; without it the C library falls back to clone.
    _rule(rules, module.ERRNO(errno.ENOSYS), "clone3")
    if threads:
        of_thread = module.Arg(0, module.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD)
        _rule(rules, module.ALLOW, "clone", of_thread)
    return rules


def _loose(module: Any, threads: bool) -> Any:
    rules = module.SyscallFilter(module.ALLOW)
    refused = module.ERRNO(errno.EPERM)
    for name in LOOSE_REFUSES:
        _rule(rules, refused, name)
    _rule(rules, refused, "prlimit64", module.Arg(2, module.NE, 0))
    _rule(rules, refused, "setrlimit")
    # Input pushed back into a terminal would be typed into the shell that started us.
    _rule(rules, refused, "ioctl", module.Arg(1, module.EQ, _TIOCSTI))
    _rule(rules, module.ERRNO(errno.ENOSYS), "clone3")
    of_process = module.Arg(0, module.MASKED_EQ, _CLONE_THREAD, 0)
    _rule(rules, refused, "clone", *((of_process,) if threads else ()))
    return rules
