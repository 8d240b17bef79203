"""Whole processes, measured side by side: every benchmark's figures come from here.

Commands take turns (A B C A B C …), so that a machine that slows down slows all of them down, and
a claim is a ratio of medians of one run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: wall and processor seconds, bytes that its largest process held."""

    seconds: float
    cpu: float
    peak: int
    status: int


@dataclass(slots=True)
class Series:
    """All runs of one command."""

    name: str
    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)


def run(
    command: Sequence[str | Path], *, folder: Path | None = None, output: Path | None = None
) -> Run:
    """Run a command to its end, its output kept or thrown away, compiled bytecode used as a user's
    would be. The kernel's own accounting, which covers the children that it waited for; the peak
    is that of the largest one process."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    with (output or Path(os.devnull)).open("wb") as sink:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*map(str, command)], cwd=folder, env=environment, stdout=sink,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    # ru_maxrss counts KiB on Linux, and bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu, usage.ru_maxrss * unit, process.returncode)


def side_by_side(
    commands: Mapping[str, Sequence[str | Path]],
    *,
    times: int = 5,
    folder: Path | None = None,
    expect: int | None = 0,
) -> dict[str, Series]:
    """Every command ``times`` times in turn, after one round that does not count. A status other
    than ``expect`` (None: any) ends the benchmark: a command that fails is fast."""
    series = {name: Series(name) for name in commands}
    for turn in range(times + 1):
        for name, command in commands.items():
            done = run(command, folder=folder)
            if expect is not None and done.status != expect:
                raise SystemExit(f"{name} ended with {done.status}")
            if turn:
                series[name].runs.append(done)
            print(f"  {name}: {done.seconds:.2f} s", file=sys.stderr, flush=True)
    return series


def table(series: Mapping[str, Series], *, against: str) -> str:
    """Markdown: median seconds, their ratio to ``against``'s, and the highest peak."""
    base = series[against].seconds
    lines = ["| | seconds | ratio | peak memory |", "| --- | ---: | ---: | ---: |"]
    for item in series.values():
        peak = f"{item.peak / 2**20:,.0f} MiB"
        lines.append(f"| {item.name} | {item.seconds:.2f} | {item.seconds / base:.2f} | {peak} |")
    return "\n".join(lines)
