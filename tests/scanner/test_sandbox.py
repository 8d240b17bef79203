"""The jails hold, and whatever a child does ends in a result or an error that says why."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from scanner import sandbox
from scanner.errors import EngineError, FileError, LimitExceeded, Refused, ScannerError
from scanner.limits import DEFAULT, MIB
from scanner.report import Json
from scanner.sandbox import jail as jails
from scanner.sandbox import landlock, libseccomp, linux, seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

QUICK = DEFAULT._replace(memory_bytes=128 * MIB, cpu_seconds=5, wall_seconds=10)
TIOCSTI = 0x5412
needs_layers = pytest.mark.skipif(
    not landlock.version() or libseccomp.library() is None,
    reason="this machine lacks Landlock or libseccomp",
)


def failing(work: sandbox.Work, **options: object) -> ScannerError:
    with pytest.raises(ScannerError) as caught:
        sandbox.run(work, **{"limits": QUICK, **options})  # type: ignore[arg-type]
    return caught.value


def attempt(action: Callable[[], object], **options: object) -> Json:
    """The name of the OSError that ``action`` met in the jail, or None."""

    def work(tell: sandbox.Tell) -> Json:
        try:
            action()
        except OSError as error:
            return type(error).__name__
        return None

    return sandbox.run(work, limits=QUICK, **options)  # type: ignore[arg-type]


@needs_layers
def test_every_attempt_to_escape_is_blocked_in_each_jail() -> None:
    results = sandbox.selftest()
    assert set(results) == {"strict", "loose", "gpu"}
    for jail, attempts in results.items():
        assert len(attempts) >= 40
        assert [name for name, barred in attempts.items() if not barred] == [], jail


def test_the_attempts_get_out_where_there_is_no_jail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would prove nothing."""
    monkeypatch.setattr(jails, "shut", lambda wanted: ())
    for attempts in sandbox.selftest().values():
        out = {name for name, barred in attempts.items() if not barred}
        # Whoever runs this, root or not; some need a kernel that has the call.
        assert out >= {
            "read a file", "write to a file", "create a file", "delete a file", "rename a file",
            "truncate a file", "change a file's mode", "change a file's times", "list a folder",
            "fork", "fork by the call itself", "run a program", "run a program from memory",
            "signal another process", "connect by TCP", "send by UDP", "bind a port",
            "connect to a socket in a folder", "send to a socket through a pair",
            "connect by packets", "wait for a connection", "open its own settings",
        }  # fmt: skip


@needs_layers
def test_without_landlock_the_strict_jail_still_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    results = sandbox.selftest()
    assert [name for name, barred in results["strict"].items() if not barred] == []
    assert results["loose"]["read a file"] is False
    assert results["loose"]["run a program"] is True


@needs_layers
def test_without_seccomp_the_strict_jail_still_opens_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seccomp._prepared.cache_clear()
    monkeypatch.setattr(libseccomp, "library", lambda: None)
    barred = sandbox.selftest()["strict"]
    seccomp._prepared.cache_clear()
    for name in ("read a file", "create a file", "fork", "run a program", "connect by TCP"):
        assert barred[name], name
    # What it alone bars is open then, and said so.
    assert barred["share memory"] is False


@needs_layers
def test_the_layers_that_held_are_named_inside_the_jail_and_not_outside() -> None:
    assert {"no-new-privs", "rlimits", "landlock", "seccomp"} <= set(sandbox.available())
    assert sandbox.run(lambda tell: list(sandbox.held())) == list(sandbox.available())
    assert sandbox.held() == ()


def test_without_seccomp_the_other_layers_hold_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    seccomp._prepared.cache_clear()
    monkeypatch.setattr(libseccomp, "library", lambda: None)
    held = sandbox.run(lambda tell: list(sandbox.held()))
    seccomp._prepared.cache_clear()
    assert isinstance(held, list)
    assert "seccomp" not in held
    assert "rlimits" in held


def test_a_result_comes_back_as_json() -> None:
    value: Json = {"a": [1, 2.5, None, True, "\udc80 é"], "b": {}}
    assert sandbox.run(lambda tell: value) == value


def test_an_open_descriptor_is_read_and_one_that_was_not_named_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"weights")
    with path.open("rb") as one, path.open("rb") as other:

        def work(tell: sandbox.Tell) -> Json:
            try:
                os.pread(other.fileno(), 7, 0)
            except OSError:
                return os.pread(one.fileno(), 7, 0).decode()
            return "the other was open"

        assert sandbox.run(work, descriptors=[one.fileno()]) == "weights"


def test_a_strict_child_writes_to_no_file_unless_it_is_allowed_to(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:

        def write() -> None:
            os.write(out.fileno(), b"x" * 2000)

        fds = [out.fileno()]
        assert attempt(write, descriptors=fds) == "OSError"
        assert attempt(write, descriptors=fds, file_bytes=4000) is None
    assert (tmp_path / "out").stat().st_size == 2000


@needs_layers
def test_a_loose_child_reads_and_writes_only_where_it_was_told(tmp_path: Path) -> None:
    model, out, other = tmp_path / "model", tmp_path / "out", tmp_path / "other"
    model.write_text("weights")
    other.write_text("not yours")
    out.mkdir()
    jail = {"strict": False, "reads": [model], "writes": [out]}
    assert attempt(model.read_text, **jail) is None
    assert attempt(lambda: (out / "picture").write_text("x"), **jail) is None
    assert attempt(other.read_text, **jail) == "PermissionError"
    assert attempt(lambda: model.write_text("x"), **jail) == "PermissionError"
    assert attempt(lambda: Path("/etc/passwd").read_text(), **jail) == "PermissionError"


@needs_layers
@pytest.mark.parametrize("high", [0, 1 << 32])
def test_a_loose_child_types_into_no_terminal_whatever_the_bits_the_kernel_drops(high: int) -> None:
    def type_a_letter() -> None:
        linux.syscall(
            libseccomp.library().seccomp_syscall_resolve_name(b"ioctl"),  # type: ignore[union-attr]
            ctypes.c_long(-1),
            ctypes.c_ulong(high | TIOCSTI),
            b"x",
        )

    # Without the filter: a bad descriptor.
    assert attempt(type_a_letter, strict=False) == "PermissionError"


@needs_layers
def test_a_loose_child_does_not_see_its_parents_environment() -> None:
    parent = os.getpid()
    seen = attempt(lambda: Path(f"/proc/{parent}/environ").read_bytes(), strict=False)
    assert seen == "PermissionError"
    assert sandbox.run(lambda tell: dict(os.environ), strict=False) == {}


@needs_layers
@pytest.mark.parametrize(("options", "works"), [({"threads": True}, True), ({}, False)])
def test_threads_run_in_a_strict_jail_only_when_allowed(
    options: dict[str, bool], works: bool
) -> None:
    def work(tell: sandbox.Tell) -> Json:
        thread = Thread(target=lambda: None)
        try:
            thread.start()
        except RuntimeError:
            return False
        thread.join()
        return True

    assert sandbox.run(work, limits=QUICK, **options) is works  # type: ignore[arg-type]


def test_text_in_any_encoding_that_pickles_use_is_decoded_in_the_strict_jail() -> None:
    def work(tell: sandbox.Tell) -> Json:
        return [
            b"\\u00e9".decode("raw_unicode_escape"),
            b"\\N{BULLET}".decode("unicode_escape"),
            b"\xe9".decode("latin-1"),
        ]

    assert sandbox.run(work) == ["é", "•", "é"]


def test_what_the_standard_library_imports_late_is_there_in_the_strict_jail() -> None:
    assert sandbox.run(lambda tell: Counter("abba").most_common(1)) == [["a", 2]]


def test_a_sleeping_child_is_killed_at_the_deadline() -> None:
    started = time.monotonic()
    error = failing(lambda tell: time.sleep(60), limits=QUICK._replace(wall_seconds=1))
    assert (type(error), error.code) == (FileError, "sandbox.timeout")
    assert time.monotonic() - started < 5


def test_a_busy_child_runs_out_of_processor_time() -> None:
    def spin(tell: sandbox.Tell) -> Json:
        while True:
            pass

    error = failing(spin, limits=QUICK._replace(cpu_seconds=1))
    assert (type(error), error.code) == (FileError, "sandbox.cpu")


def test_a_greedy_child_runs_out_of_memory() -> None:
    error = failing(lambda tell: len(bytearray(1 << 30)))
    assert (type(error), error.code) == (FileError, "sandbox.memory")


def test_a_crash_is_our_fault_and_names_the_signal() -> None:
    error = failing(lambda tell: os.abort())
    assert (type(error), error.code) == (EngineError, "sandbox.crashed")
    assert "SIGABRT" in error.message


def test_a_child_that_is_killed_from_outside_says_so() -> None:
    children: list[int] = []

    def work(tell: sandbox.Tell) -> Json:
        tell("pid", os.getpid(), 0)
        time.sleep(60)
        return None

    def kill(step: str, done: int, total: int) -> None:
        children.append(done)
        os.kill(done, signal.SIGKILL)

    error = failing(work, progress=kill)
    assert (type(error), error.code) == (EngineError, "sandbox.killed")
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


def test_a_silent_exit_is_a_crash() -> None:
    assert failing(lambda tell: os._exit(0)).code == "sandbox.crashed"


def test_a_result_beyond_its_bound_is_an_error() -> None:
    error = failing(lambda tell: "x" * 5000, limits=QUICK._replace(report_bytes=1000))
    assert (type(error), error.code) == (FileError, "sandbox.output_too_large")


def test_frames_that_lie_about_their_size_or_hold_no_json_are_errors() -> None:
    def shout(body: bytes) -> sandbox.Work:
        def work(tell: sandbox.Tell) -> Json:
            # What code that took over the child could do: find the pipe and write to it.
            for fd in range(3, 64):
                try:
                    os.write(fd, body)
                except OSError:
                    continue
            os._exit(0)

        return work

    huge = failing(shout(b"r" + (1 << 31).to_bytes(4, "little") + b"x"))
    assert huge.code == "sandbox.output_too_large"
    assert failing(shout(b"r\x03\x00\x00\x00{{{")).code == "sandbox.crashed"
    deep = b"[" * 60_000
    assert failing(shout(b"e" + len(deep).to_bytes(4, "little") + deep)).code == "sandbox.crashed"


@pytest.mark.parametrize(
    "error",
    [
        FileError("read.short", "3 of 4 bytes", offset=17),
        Refused("convert.refused", "malicious"),
        EngineError("disk.full"),
        LimitExceeded("opcodes", 20),
    ],
)
def test_errors_raised_on_purpose_come_back_as_they_are(error: ScannerError) -> None:
    def work(tell: sandbox.Tell) -> Json:
        raise error

    back = failing(work)
    assert (type(back), back.code, back.message) == (type(error), error.code, error.message)
    assert back.params == error.params


def test_an_error_in_the_engine_is_an_engine_error() -> None:
    error = failing(lambda tell: {}["missing"])
    assert (type(error), error.code) == (EngineError, "sandbox.failed")
    assert "KeyError" in error.message


def test_progress_arrives_in_order_and_not_too_often() -> None:
    seen: list[tuple[str, int, int]] = []

    def work(tell: sandbox.Tell) -> Json:
        for done in range(1, 1001):
            tell("hashes", done, 1000)
        tell("health", 1, 1)
        return None

    sandbox.run(work, progress=lambda *event: seen.append(event))
    assert seen[0] == ("hashes", 1, 1000)
    assert seen[-2:] == [("hashes", 1000, 1000), ("health", 1, 1)]
    assert len(seen) < 50


def test_no_descriptor_is_left_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        sandbox.run(lambda tell: None)
        failing(lambda tell: os.abort())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
