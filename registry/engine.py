"""Calling the scanner: a child process for each file, watched, bounded, and killed when in doubt.

The registry never parses an upload. It starts ``python -m scanner …``, reads progress from its
standard error and one JSON object from its standard output.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from registry import processes
from registry.env import ROOT
from registry.errors import EngineError
from scanner.report import EXTRA, SECTIONS

#: Called with (done, total, what) at least every few seconds while the child works; what it
#: raises ends the child.
Progress = Callable[[int, int, str], None]

TICK = 5.0
OUTPUT_LIMIT = 128 * 1024 * 1024
STDERR_KEPT = 4_000
#: A little more than the scanner itself allows a run: its word is a result, ours a failure.
DRAWING_TIMEOUT = 3_900.0
#: What a child is told of its surroundings; the site's keys and passwords are not among it.
_TOLD = frozenset({"PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"})
_TOLD_OF = ("LC_", "LD_", "PYTHON", "OMP_", "MKL_", "KMP_", "CUDA", "CUBLAS", "NVIDIA_", "NCCL_",
            "TORCH", "PYTORCH_", "TRITON_", "HSA_", "HIP_", "ROCR_", "MALLOC_")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What the scanner printed, its exit status, and how long it took in seconds."""

    status: int
    data: dict[str, Any]
    seconds: float


def inspect(
    path: Path,
    progress: Progress,
    *,
    extra: Sequence[str] = EXTRA,
    hashes: Mapping[str, str] | None = None,
    timeout: float = 3_600,
) -> Answer:
    """The report on one file, with the ``extra`` sections. Any verdict is an answer; only our own
    failure raises: ``EngineError("hashes.other_file")`` where the ``hashes`` that are known, by
    kind, are not the file's."""
    only = ",".join((*SECTIONS, *extra))
    arguments = ["inspect", "--json", "--progress", "--only", only]
    if hashes:
        arguments += ["--hashes", ",".join(f"{kind}={text}" for kind, text in hashes.items())]
    arguments.append(str(path))
    return _call(arguments, progress, timeout, fine={0, 1})


def convert(
    source: Path,
    target: Path,
    progress: Progress,
    *,
    options: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
    timeout: float = 7_200,
) -> Answer:
    """Write ``target``, as safetensors or as its suffix says, with ``metadata`` in it. Status 1
    says that the source was refused, and why."""
    noted = [f"--metadata={key}={text}" for key, text in (metadata or {}).items()]
    arguments = ["convert", str(source), str(target), *options, *noted, "--json", "--progress"]
    return _call(arguments, progress, timeout, fine={0, 1})


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn, and where the pictures go. ``base`` is a whole checkpoint on which an
    add-on is shown, or that lends missing parts; ``model`` and ``base_model`` are the names that
    stand in the parameters."""

    path: Path
    folder: Path
    device: str = "auto"
    base: Path | None = None
    prompts: tuple[str, ...] = ()
    trigger: str = ""
    model: str = ""
    base_model: str = ""

    def arguments(self) -> list[str]:
        """For ``python -m scanner smoke``. Joined by "=": a prompt may begin with a dash."""
        named = {
            "--base": self.base,
            "--trigger": self.trigger,
            "--model": self.model,
            "--base-model": self.base_model,
        }
        said = [f"{name}={value}" for name, value in named.items() if value]
        said += [f"--prompt={prompt}" for prompt in self.prompts]
        return [str(self.path), "--out", str(self.folder), "--device", self.device, *said]

    def job(self) -> dict[str, Any]:
        """The same for a warm parent."""
        return {
            "path": str(self.path),
            "out": str(self.folder),
            "device": self.device,
            "base": str(self.base) if self.base else None,
            "prompts": list(self.prompts),
            "trigger": self.trigger or None,
            "model": self.model or None,
            "base_model": self.base_model or None,
        }


def smoke(drawing: Drawing, progress: Progress, *, timeout: float = DRAWING_TIMEOUT) -> Answer:
    """Generate pictures, in a process that imports torch first. Status 1 says failed or skipped."""
    arguments = ["smoke", *drawing.arguments(), "--json", "--progress"]
    return _call(arguments, progress, timeout, fine={0, 1})


def policy() -> str:
    """The version of the policy that an inspection would use now."""
    answer = _call(["policy", "--version", "--json"], lambda *_: None, 60, fine={0})
    return str(answer.data["policy"])


def started_process(
    arguments: Sequence[str], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """``python -m scanner`` with ``arguments``: it dies with this process, and what it starts is of
    its group."""
    return subprocess.Popen(
        [sys.executable, "-m", "scanner", *arguments],
        cwd=ROOT,
        env=_environ(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=processes.dying_with_parent(),
    )


def _environ() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _TOLD or name.startswith(_TOLD_OF)
    }


def _call(
    arguments: Sequence[str], progress: Progress, timeout: float, *, fine: set[int]
) -> Answer:
    started = time.monotonic()
    process = started_process(arguments)
    assert process.stdout and process.stderr
    lines: queue.Queue[bytes | None] = queue.Queue()
    output: list[bytes] = []
    readers = [
        threading.Thread(target=_collect, args=(process.stdout, output), daemon=True),
        threading.Thread(target=_follow, args=(process.stderr, lines), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        tail = _watch(lines, progress, started + timeout)
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        raise EngineError("engine.timeout", f"no end after {timeout:.0f} s") from None
    finally:
        _end(process)
    for reader in readers:
        reader.join(timeout=10)
    return _answer(process.returncode, b"".join(output), tail, time.monotonic() - started, fine)


def _collect(stream: IO[bytes], output: list[bytes]) -> None:
    size = 0
    while data := stream.read(65_536):
        size += len(data)
        # Beyond the limit it is still read, so that the child does not block, and dropped.
        if size <= OUTPUT_LIMIT:
            output.append(data)


def _follow(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _watch(lines: queue.Queue[bytes | None], progress: Progress, deadline: float) -> str:
    """Pass progress on until standard error ends; what else the child said there."""
    said = ""
    while True:
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired("scanner", deadline)
        try:
            line = lines.get(timeout=TICK)
        except queue.Empty:
            progress(0, 0, "")
            continue
        if line is None:
            return said
        step = _progress_of(line)
        if step is None:
            said = (said + line.decode("utf-8", "replace"))[-STDERR_KEPT:]
        else:
            progress(*step)


def _progress_of(line: bytes) -> tuple[int, int, str] | None:
    if not line.startswith(b'{"progress"'):
        return None
    try:
        step = json.loads(line)["progress"]
        return int(step["done"]), int(step["total"]), str(step["step"])
    except (ValueError, KeyError, TypeError):
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's group."""
    processes.kill_group(process.pid)
    process.wait()


def _answer(status: int, output: bytes, said: str, seconds: float, fine: set[int]) -> Answer:
    if status < 0:
        raise EngineError("engine.killed", f"signal {-status}; {said.strip()}")
    data: dict[str, Any] = {}
    if output.strip():
        try:
            data = json.loads(output)
        except ValueError:
            raise EngineError(
                "engine.garbled", said.strip() or "no JSON on standard output"
            ) from None
    if status not in fine or not data:
        problem = data.get("error")
        code = str(problem["code"]) if isinstance(problem, dict) and "code" in problem else ""
        raise EngineError(code or "engine.failed", said.strip() or f"exit status {status}")
    return Answer(status=status, data=data, seconds=seconds)
