"""The smoke test, timed: ``python -m tests.bench.smoke [warm] [sd1] [sd2] [sdxl] [refiner]``.

``warm``: the miniature through the warm parent and through as many cold processes, side by side.
``sd1``, ``sd2``, ``sdxl``, ``refiner``: a checkpoint of full size with random values in fp16,
loaded and run once at 256 pixels in a process of its own; seconds, and the memory of its largest
process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from scanner.smoke import miniature
from tests.bench import runs
from tests.bench.values import Maker, shapes_of

_SMOKE = (sys.executable, "-m", "scanner", "smoke")
_GIB = 1 << 30


class Layout(NamedTuple):
    """A part as the identifier's table calls it, and what comes before its names."""

    arch: str
    layout: str
    prefix: str


_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
#: What a whole checkpoint of each base holds, and the memory that must be free to try it.
FULL: dict[str, tuple[int, tuple[Layout, ...]]] = {
    "sd1": (
        8 * _GIB,
        (
            Layout("sd1", "ldm-unet", _UNET),
            Layout("vae-4ch", "ldm-vae", _VAE),
            Layout("clip-l", "clip", "cond_stage_model.transformer.text_model."),
        ),
    ),
    "sd2": (
        10 * _GIB,
        (
            Layout("sd2", "ldm-unet", _UNET),
            Layout("vae-4ch", "ldm-vae", _VAE),
            Layout("openclip-h", "open-clip", "cond_stage_model.model."),
        ),
    ),
    "sdxl": (
        16 * _GIB,
        (
            Layout("sdxl", "ldm-unet", _UNET),
            Layout("vae-4ch", "ldm-vae", _VAE),
            Layout("clip-l", "clip", "conditioner.embedders.0.transformer.text_model."),
            Layout("openclip-g", "open-clip", "conditioner.embedders.1.model."),
        ),
    ),
    "refiner": (
        16 * _GIB,
        (
            Layout("sdxl-refiner", "ldm-unet", _UNET),
            Layout("vae-4ch", "ldm-vae", _VAE),
            Layout("openclip-g", "open-clip", "conditioner.embedders.0.model."),
        ),
    ),
}


def make(path: Path, layouts: tuple[Layout, ...]) -> None:
    """A safetensors file in fp16, tensor by tensor: no more memory than the largest one takes."""
    maker = Maker(seed=15)
    tensors = [
        (part.prefix + name, shape)
        for part in layouts
        for name, shape in shapes_of(part.arch, part.layout).items()
    ]
    header: dict[str, object] = {}
    end = 0
    for name, shape in tensors:
        dtype, width = ("I64", 8) if name.endswith("position_ids") else ("F16", 2)
        start, end = end, end + width * prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors:
            array = maker.weight(name, shape)
            values = b"".join(array.chunks())
            if array.dtype == "F32":
                values = np.frombuffer(values, "<f4").astype("<f2").tobytes()
            file.write(values)


def full(name: str, folder: Path) -> str:
    """One row of the table."""
    least, layouts = FULL[name]
    if psutil.virtual_memory().available < least:
        return f"| {name} | not run: {least // _GIB} GiB of free memory are needed | | | |"
    path, out = folder / f"{name}.safetensors", folder / f"{name}.json"
    print(f"{name}: making the file …", file=sys.stderr, flush=True)
    make(path, layouts)
    size = path.stat().st_size
    asked = ("--out", folder / "out", "--size", "256", "--device", "cpu", "--json")
    try:
        done = runs.run([*_SMOKE, path, *asked], output=out)
    finally:
        path.unlink()
    result = json.loads(out.read_text())
    if done.status > 1:
        raise SystemExit(f"{name}: {result}")
    reason = f" ({result['reason']})" if "reason" in result else ""
    return (
        f"| {name} | {size / 1e9:.2f} GB | {result['verdict']}{reason} | {done.seconds:.0f} s "
        f"| {done.peak / 1e9:.1f} GB |"
    )


class Throughput(NamedTuple):
    """Seconds for all jobs; ``start`` went before the first of the ``warm`` ones."""

    cold: float
    warm: float
    start: float


def throughput(jobs: int, folder: Path) -> Throughput:
    """The same jobs, one process each, and through one parent."""
    path = miniature.files(folder / "miniature")["mini.safetensors"]
    started = time.perf_counter()
    for number in range(jobs):
        done = runs.run([*_SMOKE, path, "--out", folder / f"cold-{number}", "--device", "cpu"])
        if done.status:
            raise SystemExit(f"a cold process ended with {done.status}")
        print(f"  cold {number + 1}: {done.seconds:.1f} s", file=sys.stderr, flush=True)
    cold = time.perf_counter() - started
    start, *warm = _told(_served(jobs, path, folder))
    return Throughput(cold, sum(warm), start)


def _told(times: Iterator[float]) -> Iterator[float]:
    for number, seconds in enumerate(times):
        print(f"  warm {number}: {seconds:.1f} s", file=sys.stderr, flush=True)
        yield seconds


def _served(jobs: int, path: Path, folder: Path) -> Iterator[float]:
    """Seconds until the parent is warm, then until each job's answer."""
    started = time.perf_counter()
    with subprocess.Popen(
        [*_SMOKE, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        if not json.loads(parent.stdout.readline())["serving"]:
            raise SystemExit("the parent does not serve")
        yield time.perf_counter() - started
        for number in range(jobs):
            started = time.perf_counter()
            job = {"id": str(number), "path": str(path), "device": "cpu",
                   "out": str(folder / f"warm-{number}")}  # fmt: skip
            parent.stdin.write(json.dumps(job) + "\n")
            parent.stdin.flush()
            while "status" not in (line := json.loads(parent.stdout.readline())):
                pass
            if line["status"]:
                raise SystemExit(f"a job of the warm parent ended with {line}")
            yield time.perf_counter() - started
        parent.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=("warm", *FULL), default="warm")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--dir", type=Path, help="where to work (up to 8 GB)")
    arguments = parser.parse_args()
    what = [arguments.what] if isinstance(arguments.what, str) else arguments.what
    folder = Path(tempfile.mkdtemp(prefix="bench-smoke-", dir=arguments.dir))
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f} beforehand")
    try:
        if "warm" in what:
            times = throughput(arguments.jobs, folder)
            print(
                f"{arguments.jobs} jobs: {times.cold:.0f} s cold; {times.warm:.0f} s warm, ratio "
                f"{times.warm / times.cold:.2f}; with the {times.start:.0f} s that the parent took "
                f"to start, {(times.warm + times.start) / times.cold:.2f}"
            )
        rows = [full(name, folder) for name in FULL if name in what]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if rows:
        print("\n| base | file | verdict | time | memory |\n| --- | ---: | --- | ---: | ---: |")
        print("\n".join(rows))


if __name__ == "__main__":
    main()
