"""How long a look takes: ``python -m tests.bench.identity [--runs N] [--dtype F32] [--dir D]``.

Makes a checkpoint with SD1.5's tensors and random values, once as torch saves it and once as
safetensors, and a sparse 7.7 GB file with an EMA copy. Then measures whole processes of
``python -m scanner inspect`` against hashlib's sha256 over the same file, one after another in
turn, and prints the medians, the ratios and the peak memory. About 9 GB of disk (F16: 5 GB).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scanner import convert
from scanner.convert import Options
from scanner.identify.architectures.blueprint import Shape
from scanner.report import EXTRA, SECTIONS
from scanner.samples import shapes_of
from scanner.writer import Array, Tree, write_torch_zip

ROOT = Path(__file__).resolve().parents[2]
_MODEL = (
    ("model.diffusion_model.", shapes_of("sd1", "ldm-unet")),
    ("first_stage_model.", shapes_of("vae-4ch", "ldm-vae")),
    ("cond_stage_model.transformer.text_model.", shapes_of("clip-l", "clip")),
)
_EMA = ("model_ema.diffusion_model", shapes_of("sd1", "flat-unet"))
_PIECE = 4 * 1024 * 1024
_FINGERPRINTS = ",".join((*SECTIONS, EXTRA[0]))


class Job(NamedTuple):
    """What is measured, its arguments, and how it may compare with sha256 (or None: seconds)."""

    what: str
    file: Path
    arguments: tuple[str, ...]
    ratio: float | None
    seconds: float | None = None


class Measured(NamedTuple):
    seconds: float
    peak: int


def _random(shape: Shape, dtype: str, generator: np.random.Generator) -> Array:
    """Normal values a few hundredths large, drawn piece by piece."""

    def values() -> Iterator[bytes]:
        left = prod(shape)
        while left:
            count = min(left, _PIECE)
            drawn = generator.standard_normal(count, dtype=np.float32) * np.float32(0.03)
            yield drawn.astype("<f2" if dtype == "F16" else "<f4").tobytes()
            left -= count

    return Array(dtype, shape, values)


def make(path: Path, dtype: str) -> None:
    """SD1.5's tensors with random values, as ``torch.save`` lays them out."""
    generator = np.random.default_rng(15)
    state: dict[str | int, Tree] = {
        prefix + name: _random(shape, dtype, generator)
        for prefix, shapes in _MODEL
        for name, shape in shapes.items()
    }
    write_torch_zip(path, {"state_dict": state})


def make_sparse(path: Path) -> None:
    """SD1.5 in fp32 with its EMA copy: a header, and as many noughts as it promises."""
    header: dict[str, object] = {}
    end = 0
    for prefix, shapes in (*_MODEL, _EMA):
        for name, shape in shapes.items():
            start, end = end, end + 4 * prod(shape)
            header[prefix + name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def digested(path: Path) -> Measured:
    started = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return Measured(time.perf_counter() - started, 0)


def inspected(job: Job) -> Measured:
    """A whole process, from its start to its end, and the peak of it and its children."""
    command = [sys.executable, "-m", "scanner", "inspect", "--json", *job.arguments, str(job.file)]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    taken = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Measured(taken, usage.ru_maxrss * 1024)


def measure(jobs: list[Job], runs: int) -> Iterator[tuple[Job, Measured, float | None]]:
    """Medians of each job, and of sha256 over its file where that is what it is held against.
    The runs are interleaved, so that a busy minute of the machine falls on all of them."""
    taken: dict[str, list[Measured]] = {job.what: [] for job in jobs}
    digests: dict[Path, list[float]] = {}
    for run in range(runs):
        for job in jobs:
            if job.ratio is not None:
                digests.setdefault(job.file, []).append(digested(job.file).seconds)
            taken[job.what].append(inspected(job))
            print(f"\rrun {run + 1}: {job.what:<60}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for job in jobs:
        seconds = statistics.median(item.seconds for item in taken[job.what])
        peak = max(item.peak for item in taken[job.what])
        base = statistics.median(digests[job.file]) if job.ratio is not None else None
        yield job, Measured(seconds, peak), base


def _jobs(pickled: Path, plain: Path, sparse: Path) -> list[Job]:
    return [
        Job("identity, header only", sparse, ("--only", "identity"), None, 0.3),
        Job("full report of a .ckpt", pickled, (), 1.5),
        Job("full report of a .safetensors", plain, (), 2.0),
        Job("… with fingerprints", plain, ("--only", _FINGERPRINTS), 3.0),
    ]


def _made(folder: Path, dtype: str) -> list[Job]:
    pickled, plain = folder / f"sd15-{dtype}.ckpt", folder / f"sd15-{dtype}.safetensors"
    sparse = folder / "sd15-full-ema.safetensors"
    steps: tuple[tuple[Path, Callable[[], object]], ...] = (
        (pickled, lambda: make(pickled, dtype)),
        (plain, lambda: convert.to_file(pickled, plain, Options())),
        (sparse, lambda: make_sparse(sparse)),
    )
    for path, build in steps:
        if not path.exists():
            print(f"making {path.name} …", file=sys.stderr)
            build()
    return _jobs(pickled, plain, sparse)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each; the median counts")
    parser.add_argument("--dtype", choices=("F32", "F16"), default="F32", help="of the checkpoint")
    parser.add_argument("--dir", type=Path, help="where to work, and to keep the files")
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="identity-"))
    failed = 0
    try:
        folder.mkdir(exist_ok=True)
        jobs = _made(folder, arguments.dtype)
        print("| what | file | seconds | sha256 | ratio | allowed | peak memory |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for job, found, base in measure(jobs, arguments.runs):
            ratio = f"{found.seconds / base:.2f}" if base else "–"
            allowed = f"{job.ratio} ×" if job.ratio else f"{job.seconds} s"
            size = job.file.stat().st_size / 1e9
            print(
                f"| {job.what} | {size:.2f} GB | {found.seconds:.2f} | {base or 0:.2f} | {ratio} | "
                f"{allowed} | {found.peak / 2**20:,.0f} MiB |"
            )
            within = found.seconds <= (job.ratio * base if job.ratio and base else job.seconds or 0)
            failed += not within or found.peak > 300_000_000
    finally:
        if arguments.dir is None:
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise SystemExit(f"{failed} of the limits are not kept")


if __name__ == "__main__":
    main()
