"""A full-size checkpoint and what it converts to draw the same picture:
``python -m tests.bench.convert_picture [--base sd1|sd2|sdxl] [--dir D]``.

Makes a fp32 checkpoint with the exact key set (SD1.5: 4.27 GB, SD2: 5.2 GB, SDXL: 13.9 GB) and the
values that training would start from, converts it, and draws with both in diffusers'
``from_single_file``, one after the other, each in a process of its own. The pictures' raw floats
have to be equal. Needs twice the file on disk and about as much memory as the file and 3 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scanner.writer import Tree, write_torch_zip
from tests.bench.values import Maker, shapes_of
from tests.scanner.convert import pipelines

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", choices=pipelines.LAYOUTS, default="sd1")
    parser.add_argument("--dir", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--side", type=int, default=128, help="of the picture, in pixels")
    parser.add_argument("--draw", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.draw:
        print(digest(*arguments.draw, arguments.side))
        return
    folder = Path(tempfile.mkdtemp(prefix="picture-", dir=arguments.dir))
    try:
        compare(arguments.base, folder, arguments.side)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compare(base: str, folder: Path, side: int) -> None:
    source, target = folder / "model.ckpt", folder / "model.safetensors"
    make(base, source)
    print(f"{base}: {source.stat().st_size:,} bytes", flush=True)
    config = pipelines.configured(base, folder / "config", narrow=False)
    _timed("convert", "scanner", "convert", source, target, "--json")
    drawn = {
        path.name: _timed(path.name, "tests.bench.convert_picture", "--side", side, "--draw",
                          path, config)
        for path in (source, target)
    }  # fmt: skip
    if len(set(drawn.values())) != 1:
        raise SystemExit(f"the pictures differ: {drawn}")
    print(f"the same picture, bit for bit: sha256 {drawn[source.name]}")


def make(base: str, path: Path) -> None:
    maker = Maker(seed=15)
    state: dict[str | int, Tree] = {
        part.prefix + name: maker.weight(part.prefix + name, shape)
        for part in pipelines.LAYOUTS[base]
        for name, shape in shapes_of(part.name, part.layout).items()
    }
    write_torch_zip(path, {"state_dict": state, "global_step": 470_000})


def _timed(what: str, module: str, *words: object) -> str:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{what} failed")
    print(f"{what}: {time.perf_counter() - started:.1f} s", flush=True)
    return done.stdout.strip().splitlines()[-1]


def digest(file: Path, config: Path, side: int) -> str:
    """The sha256 of the picture's raw floats."""
    return hashlib.sha256(pipelines.picture(file, config, side=side, steps=1)).hexdigest()


if __name__ == "__main__":
    main()
