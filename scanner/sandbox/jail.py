"""The two jails, and how a process shuts one around itself.

*strict* (parsing, converting): the descriptors that are open already, and nothing else.
*loose* (torch): reads beneath some folders, writes beneath one, no programs and no network.
Every layer is tried; those that held are returned, so that a report can say so.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from scanner.sandbox import landlock, linux, seccomp

if linux.SUPPORTED:
    # Not there elsewhere, and too late to load once the jail is shut.
    import resource

NOBODY = 65534
_DESCRIPTORS = 4096

#: What an interpreter and its libraries read in a loose jail, beside the folders of packages.
_SYSTEM = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm",
    "/sys/devices/system",
)  # fmt: skip
#: The same for a GPU: the driver's nodes are written to, its descriptions and libraries read.
_GPU_READS = (
    "/proc/driver/nvidia", "/proc/driver/nvidia-caps", "/proc/driver/nvidia-uvm", "/proc/devices",
    "/proc/modules", "/sys",
    "/usr/local/cuda", "/usr/local/nvidia", "/run/opengl-driver", "/nix/store",
)  # fmt: skip
_GPU_NODES = ("nvidia*", "nvidia-caps", "dri", "kfd", "dxg")


class Jail(NamedTuple):
    """What is left to a child. Sizes in bytes; ``address_space`` counts what the parent had mapped
    too, and is None with a GPU, for CUDA maps far more than it uses."""

    strict: bool
    address_space: int | None
    cpu_seconds: int
    file_bytes: int
    threads: bool = False
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    gpu: bool = False


@functools.cache
def _libraries() -> tuple[str, ...]:
    """Folders that hold Python, its packages and the shared libraries."""
    import site
    import sysconfig

    found = [*_SYSTEM, sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()]
    found += [*site.getsitepackages(), *(path for path in sys.path if path)]
    # A link in sys.prefix may lead elsewhere: Landlock goes by where a file is.
    found += [os.path.realpath(path) for path in found]
    # "/usr" as base prefix would do no harm, "/" would.
    return tuple(dict.fromkeys(path for path in found if path != "/"))


def searched() -> tuple[Path, ...]:
    """The folders in which this process's environment has shared libraries looked for."""
    listed = os.environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
    folders = (Path(os.path.realpath(path)) for path in listed if path.startswith("/"))
    return tuple(folder for folder in folders if folder != folder.parent)


def prepare(jail: Jail) -> None:
    """Load and look up, before the fork, what a shut jail cannot."""
    if linux.SUPPORTED:
        landlock.version()
        seccomp.prepare(strict=jail.strict, threads=jail.threads, gpu=jail.gpu)


def shut(jail: Jail) -> tuple[str, ...]:
    """Shut ``jail`` around this process, for good. Returns the layers that held, in the order in
    which they were put up; seccomp comes last, since it forbids what the others need."""
    if not linux.SUPPORTED:
        return ()
    layers: tuple[tuple[str, Callable[[Jail], None]], ...] = (
        ("no-new-privs", _no_new_privileges),
        ("landlock", _landlock),
        ("rlimits", _limits),
        ("nobody", _become_nobody),
        ("capabilities", _capabilities),
        ("seccomp", _seccomp),
    )
    held = []
    for name, layer in layers:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            layer(jail)
            held.append(name)
    return tuple(held)


def _no_new_privileges(jail: Jail) -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # Nobody reads our memory, nobody attaches, no core is written.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _limits(jail: Jail) -> None:
    wanted = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (jail.file_bytes, jail.file_bytes),
        # The soft limit says SIGXCPU, which tells a long run from any other end.
        resource.RLIMIT_CPU: (jail.cpu_seconds, jail.cpu_seconds + 2),
        # Descriptors that are open stay so; in the strict jail any new one is one too many.
        resource.RLIMIT_NOFILE: (0, 0) if jail.strict else (_DESCRIPTORS, _DESCRIPTORS),
    }
    if jail.address_space is not None:
        wanted[resource.RLIMIT_AS] = (jail.address_space, jail.address_space)
    if jail.strict and not jail.threads:
        wanted[resource.RLIMIT_NPROC] = (0, 0)
    for which, (soft, hard) in wanted.items():
        ceiling = resource.getrlimit(which)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(which, (soft, hard))


def _become_nobody(jail: Jail) -> None:
    """Root has no need of its name where nothing is opened any more."""
    if not jail.strict or os.geteuid() != 0:
        raise OSError("does not apply")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # A change of user resets both.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_PDEATHSIG, 9)


def _landlock(jail: Jail) -> None:
    rules: list[tuple[str, int]] = []
    if not jail.strict:
        rules += [(path, landlock.READ) for path in _libraries()]
        rules += [(os.fspath(path), landlock.READ) for path in jail.reads]
        rules += [(os.fspath(path), landlock.WRITE) for path in jail.writes]
        rules.append(("/dev/null", landlock.DEVICE))
    if jail.gpu:
        rules += [(path, landlock.READ) for path in _GPU_READS]
        nodes = [path for pattern in _GPU_NODES for path in Path("/dev").glob(pattern)]
        rules += [(os.fspath(path), landlock.DEVICE) for path in nodes]
        # The driver names its threads, and gives up where it may not.
        rules.append(("/proc/self/task", landlock.NAMES))
    landlock.restrict(rules)


def _capabilities(jail: Jail) -> None:
    # In a loose jail root may need to read what belongs to another user: Landlock bounds it.
    if not jail.strict:
        raise OSError("does not apply")
    linux.drop_capabilities()


def _seccomp(jail: Jail) -> None:
    seccomp.restrict(strict=jail.strict, threads=jail.threads, gpu=jail.gpu)
