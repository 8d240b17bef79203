"""seccomp: which system calls a process may make. Needs libseccomp2.

*strict* allows what a list names and refuses the rest; *loose* refuses what a list names, because
torch and CUDA use more calls than anyone can list. A refused call fails with EPERM, so that a
library that merely tries something goes on.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from ctypes import CDLL

from scanner.sandbox import libseccomp
from scanner.sandbox.libseccomp import (
    ALLOW,
    EQUAL,
    MASKED_EQUAL,
    NOT_EQUAL,
    Condition,
    Filter,
    refusing,
)

REFUSED, UNKNOWN = refusing(errno.EPERM), refusing(errno.ENOSYS)

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
    # Landlock says nothing of these: a file's mode and times, memory and queues that are shared
    # by number, and who runs first.
    "chmod", "fchmod", "fchmodat", "utime", "utimes", "utimensat", "futimesat",
    "removexattr", "lremovexattr", "fremovexattr", "quotactl_fd",
    "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semtimedop", "semctl",
    "msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink",
    "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set",
    "migrate_pages", "move_pages",
)  # fmt: skip
#: What CUDA's driver cannot start without: a listening socket of one kind, which nobody reaches for
#: want of connect() and accept(), and memory with a descriptor, which execveat() would have to run.
_CUDA_MAKES = ("socket", "bind", "listen", "memfd_create")
#: Calls that came after the list (fchmodat2 and setxattrat are among them), or will come: as if
#: this kernel had none of them.
_LATER = range(450, 550)

_CLONE_THREAD = 0x00010000
_PROT_EXEC = 4
_PR_SET_NAME = 15
_TIOCSTI = 0x5412
_SOCKET_TYPE = 0xF
_NOT_STREAMS = (2, 3, 5)  # SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET
_AF_UNIX = 1
#: Every kind but SOCK_SEQPACKET, which alone neither sends nor receives before it is connected.
_NOT_SEQPACKET = tuple(kind for kind in range(_SOCKET_TYPE + 1) if kind != 5)


@functools.cache
def _prepared(strict: bool, threads: bool, gpu: bool) -> Filter | None:
    """The filter but for what the child's own number decides. Building one takes a while, so it is
    built before the fork and every child gets a copy of the parent's memory."""
    library = libseccomp.library()
    if library is None:
        return None
    return _strict(library, threads) if strict else _loose(library, threads, gpu)


def prepare(*, strict: bool, threads: bool, gpu: bool) -> None:
    """Build the filter, so that ``restrict`` in a child has little left to do."""
    with contextlib.suppress(OSError):
        _prepared(strict, threads, gpu)


def restrict(*, strict: bool, threads: bool, gpu: bool) -> None:
    """Load the filter into this process. Needs no-new-privs. Raises OSError."""
    rules = _prepared(strict, threads, gpu)
    if rules is None:
        raise OSError("libseccomp is missing")
    # abort() signals its own thread; nothing else may be signalled.
    if strict:
        rules.rule(ALLOW, "tgkill", Condition(0, EQUAL, os.getpid()))
    else:
        rules.rule(REFUSED, "tgkill", Condition(0, NOT_EQUAL, os.getpid()))
    rules.load()


def _strict(library: CDLL, threads: bool) -> Filter:
    rules = Filter(library, REFUSED)
    for name in STRICT_ALLOWS:
        rules.rule(ALLOW, name)
    # New code is neither mapped nor made executable.
    for name in ("mmap", "mprotect"):
        rules.rule(ALLOW, name, Condition(2, MASKED_EQUAL, _PROT_EXEC, 0))
    rules.rule(ALLOW, "prctl", Condition(0, EQUAL, _PR_SET_NAME))
    # Reading limits, never setting them.
    rules.rule(ALLOW, "prlimit64", Condition(2, EQUAL, 0))
    # clone3 hides its flags in memory; without it the C library falls back to clone.
    rules.rule(UNKNOWN, "clone3")
    if threads:
        rules.rule(ALLOW, "clone", Condition(0, MASKED_EQUAL, _CLONE_THREAD, _CLONE_THREAD))
    return rules


def _loose(library: CDLL, threads: bool, gpu: bool) -> Filter:
    rules = Filter(library, ALLOW)
    for name in LOOSE_REFUSES:
        if not (gpu and name in _CUDA_MAKES):
            rules.rule(REFUSED, name)
    if gpu:
        rules.rule(REFUSED, "socket", Condition(0, NOT_EQUAL, _AF_UNIX))
        for kind in _NOT_SEQPACKET:
            rules.rule(REFUSED, "socket", Condition(1, MASKED_EQUAL, _SOCKET_TYPE, kind))
    for number in _LATER:
        rules.rule(UNKNOWN, number)
    # A datagram socket needs no connect() to send to any other, so a pair would be a way out.
    for kind in _NOT_STREAMS:
        rules.rule(REFUSED, "socketpair", Condition(1, MASKED_EQUAL, _SOCKET_TYPE, kind))
    rules.rule(REFUSED, "prlimit64", Condition(2, NOT_EQUAL, 0))
    rules.rule(REFUSED, "setrlimit")
    # Input pushed back into a terminal would be typed into the shell that started us.
    # The kernel looks at half of the argument.
    rules.rule(REFUSED, "ioctl", Condition(1, MASKED_EQUAL, 0xFFFFFFFF, _TIOCSTI))
    rules.rule(UNKNOWN, "clone3")
    of_process = Condition(0, MASKED_EQUAL, _CLONE_THREAD, 0)
    rules.rule(REFUSED, "clone", *((of_process,) if threads else ()))
    return rules
