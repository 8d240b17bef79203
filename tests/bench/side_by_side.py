"""Weighhouse beside picklescan, modelscan and fickling: ``python -m tests.bench.side_by_side``.

Every tool runs as its users run it: one whole process, bytecode compiled beforehand, the tools in
turn so that a busy machine is busy for all. Time is by the clock; CPU time, which other work on the
machine sways less, is told beside it; memory is the largest process of the run. Medians of five.

What is scanned: a torch zip of 2 GiB with a ``data.pkl`` of 36,000 opcodes, the same checkpoint in
torch's legacy format (see ``large_files``), and the labelled samples where they lie beside the
project. On the samples Weighhouse and picklescan run once a file, modelscan and fickling, which
start slowly, once for all files.

What counts as flagged: a tool that ends with anything but its status for "clean".
- Weighhouse: 1, which is any verdict but clean.
- picklescan: 1 (a dangerous global) or 2 (an error).
- modelscan: an issue or an error that names the file; files it skips are not flagged.
- fickling: not ``is_safe``, which is a severity above LIKELY_SAFE; an error too.
A *detection* is a malicious sample that is flagged, a *false alarm* a benign one.

The other tools are installed into ``.venv-bench`` once, at the versions below.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench.runs import Run
from tests.bench.runs import run as run_whole

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-bench"
CORPUS = ROOT.parent / "shared" / "corpora" / "scanner"
#: fickling forgets to ask for typing_extensions; modelscan needs a numpy of its time.
PINNED = (
    "picklescan==1.0.5", "modelscan==0.8.8", "fickling==0.1.12", "typing_extensions==4.15.0",
    "numpy==1.26.4",
)  # fmt: skip
RUNS = 5
MIB = 1 << 20
#: What one sample may take.
MOST_SECONDS, MOST_BYTES = 2.0, 256_000_000

OURS, PICKLESCAN, MODELSCAN, FICKLING = "Weighhouse", "picklescan", "modelscan", "fickling"


class Score(NamedTuple):
    """On the samples: flagged of each label, and what one file takes (the median; the most)."""

    flagged: dict[str, int]
    runs: list[Run]
    each: bool


def commands() -> dict[str, Callable[[Path], list[str]]]:
    """How each tool scans one file."""
    found = VENV / "bin"
    python = str(found / "python")
    ours = [sys.executable, "-m", "scanner", "inspect", "--only", "safety"]
    script = str(Path(__file__).with_name("fickling_scan.py"))
    return {
        OURS: lambda file: [*ours, str(file)],
        PICKLESCAN: lambda file: [str(found / "picklescan"), "-p", str(file)],
        MODELSCAN: lambda file: [str(found / "modelscan"), "scan", "-p", str(file)],
        FICKLING: lambda file: [python, script, str(file)],
    }


def install() -> None:
    """The other tools, in an environment that is made once for these versions."""
    done = VENV / ".done"
    if done.exists() and done.read_text() == "\n".join(PINNED):
        return
    print(f"installing {', '.join(PINNED[:3])} into {VENV.name}")
    subprocess.run([ROOT / "scripts" / "venv", VENV], check=True)
    pip = [f"{VENV}/bin/python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, *PINNED], check=True)
    done.write_text("\n".join(PINNED))


def measured(command: list[str], output: Path | None = None) -> Run:
    return run_whole(command, folder=ROOT, output=output)


def middle(runs: Iterable[Run]) -> Run:
    runs = list(runs)
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu for run in runs),
        int(statistics.median(run.peak for run in runs)),
        runs[-1].status,
    )


def on_file(file: Path, runs: int) -> dict[str, Run]:
    """Every tool on one large file, in turn; the first round only warms up."""
    taken: dict[str, list[Run]] = {name: [] for name in commands()}
    for number in range(runs + 1):
        for name, command in commands().items():
            run = measured(command(file))
            if number:
                taken[name].append(run)
    return {name: middle(found) for name, found in taken.items()}


# -- the samples ---------------------------------------------------------------------------------


def samples() -> dict[Path, str]:
    """Every labelled sample with its label; empty where there are none."""
    labels = CORPUS / "labels.tsv"
    if not labels.exists():
        return {}
    rows = (line.split("\t") for line in labels.read_text().splitlines()[1:])
    return {CORPUS / file: label for file, label, _ in rows}


def counted(labels: dict[Path, str], flagged: set[Path]) -> dict[str, int]:
    """How many of each label were flagged."""
    return {
        label: sum(file in flagged for file, of in labels.items() if of == label)
        for label in ("malicious", "suspicious", "benign")
    }


def by_modelscan(report: dict[str, list[dict[str, str]]], root: Path) -> set[Path]:
    """The files that modelscan's report names: "folder/model.pt:archive/data.pkl"."""
    return {
        root / found["source"].split(":", 1)[0]
        for found in (*report["issues"], *report["errors"])
        if found.get("source")
    }


def by_fickling(lines: Iterable[str]) -> set[Path]:
    """The files that the lines of ``fickling_scan`` flag."""
    rows = (json.loads(line) for line in lines if line.startswith("{"))
    return {Path(row["file"]) for row in rows if row["flagged"]}


def scores(labels: dict[Path, str], folder: Path) -> dict[str, Score]:
    """Each tool on the samples."""
    each: dict[str, dict[Path, Run]] = {OURS: {}, PICKLESCAN: {}}
    for file in labels:
        for name, runs in each.items():
            runs[file] = measured(commands()[name](file))
    found = {
        name: Score(
            counted(labels, {file for file, run in runs.items() if run.status in (1, 2)}),
            list(runs.values()),
            each=True,
        )
        for name, runs in each.items()
    }
    out = folder / "report.json"
    scan = commands()[MODELSCAN](CORPUS)
    run = measured([*scan, "-r", "json", "-o", str(out)])
    report = json.loads(out.read_text())
    found[MODELSCAN] = Score(counted(labels, by_modelscan(report, CORPUS)), [run], each=False)
    lines = folder / "lines"
    run = measured([*commands()[FICKLING](CORPUS)[:-1], *map(str, labels)], lines)
    flagged = by_fickling(lines.read_text().splitlines())
    found[FICKLING] = Score(counted(labels, flagged), [run], each=False)
    return found


# -- what is printed -----------------------------------------------------------------------------


def large_table(title: str, runs: dict[str, Run]) -> Iterator[str]:
    base = runs[PICKLESCAN]
    yield f"| {title} | time, × picklescan | CPU, × | memory, × | seconds | CPU s | MiB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, run in runs.items():
        ratios = (run.seconds / base.seconds, run.cpu / base.cpu, run.peak / base.peak)
        shown = " | ".join(f"{number:.2f}" for number in (*ratios, run.seconds, run.cpu))
        yield f"| {name} | {shown} | {run.peak / MIB:,.0f} |"


def sample_table(labels: dict[Path, str], found: dict[str, Score]) -> Iterator[str]:
    of = {label: sum(one == label for one in labels.values()) for label in set(labels.values())}
    base = middle(found[PICKLESCAN].runs)
    yield (
        f"| {len(labels)} samples | malicious flagged ({of['malicious']}) "
        f"| false alarms ({of['benign']}) | doubtful flagged ({of['suspicious']}) "
        "| time a file, × picklescan | CPU, × | seconds a file | MiB |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, score in found.items():
        run = middle(score.runs)
        counts = [score.flagged[label] for label in ("malicious", "benign", "suspicious")]
        # A process for all files has no time a file that could be compared.
        ratios = (run.seconds / base.seconds, run.cpu / base.cpu)
        ratio = " | ".join(f"{number:.2f}" if score.each else "–" for number in ratios)
        seconds = f"{run.seconds:.2f}" if score.each else f"{run.seconds:.0f} for all"
        peak = max(one.peak for one in score.runs) / MIB
        yield f"| {name} | {' | '.join(map(str, counts))} | {ratio} | {seconds} | {peak:,.0f} |"


def bound(score: Score) -> str:
    """The worst of our samples against what one sample may take."""
    slowest = max(run.seconds for run in score.runs)
    busiest = max(run.cpu for run in score.runs)
    largest = max(run.peak for run in score.runs)
    kept = slowest <= MOST_SECONDS and largest <= MOST_BYTES
    said = "kept" if kept else "NOT KEPT"
    return (
        f"the most that one sample took here: {slowest:.2f} s ({busiest:.2f} s of CPU) "
        f"and {largest / 1e6:.0f} MB "
        f"(bound: {MOST_SECONDS:.0f} s, {MOST_BYTES / 1e6:.0f} MB: {said})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="of each tool on each large file")
    arguments = parser.parse_args()
    install()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as name:
        folder = Path(name)
        # torch is large, and a child's peak memory is never less than its parent's.
        make = [sys.executable, "-m", "tests.bench.large_files", name]
        subprocess.run(make, cwd=ROOT, check=True)
        for title, file in (("2 GiB torch zip", "zip.ckpt"), ("2 GiB legacy", "legacy.ckpt")):
            print("", *large_table(title, on_file(folder / file, arguments.runs)), sep="\n")
        labels = samples()
        if not labels:
            print("\nskipped: the labelled samples do not lie beside the project")
            return
        found = scores(labels, folder)
        print("", *sample_table(labels, found), "", bound(found[OURS]), sep="\n")


if __name__ == "__main__":
    main()
