"""How long a look takes: ``python -m tests.bench.identity [--runs N] [--dtype F32] [--dir D]``.

Makes a checkpoint with SD1.5's tensors and random values, once as torch saves it and once as
safetensors, and a sparse 7.7 GB file with an EMA copy. Then holds ``python -m scanner inspect``
against hashlib's sha256 over the same file, and ends with 1 where a limit is not kept. About 9 GB
of disk (F16: 5 GB).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from math import prod
from multiprocessing import Process
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scanner.report import EXTRA, SECTIONS
from tests.bench.runs import Series, side_by_side

if TYPE_CHECKING:
    from scanner.writer import Array

ROOT = Path(__file__).resolve().parents[2]
#: No process may hold more.
_MEMORY = 300_000_000
_PARTS = (
    ("model.diffusion_model.", "sd1", "ldm-unet"),
    ("first_stage_model.", "vae-4ch", "ldm-vae"),
    ("cond_stage_model.transformer.text_model.", "clip-l", "clip"),
)
_EMA = ("model_ema.diffusion_model", "sd1", "flat-unet")
_PIECE = 4 * 1024 * 1024
_DIGEST = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


class Files(NamedTuple):
    pickled: Path
    plain: Path
    sparse: Path


# -- the files, made in a process of their own: its memory is nobody else's -----------------------


def _shapes(*parts: tuple[str, str, str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    from tests.bench.values import shapes_of

    for prefix, name, layout in parts:
        for key, shape in shapes_of(name, layout).items():
            yield prefix + key, shape


def make(files: Files, dtype: str) -> None:
    """Random normal values, drawn piece by piece; noughts in the sparse file."""
    import numpy as np

    from scanner import convert
    from scanner.convert import Options
    from scanner.writer import Array, Tree, write_torch_zip

    generator = np.random.default_rng(15)

    def drawn(shape: tuple[int, ...]) -> Array:
        def values() -> Iterator[bytes]:
            for start in range(0, prod(shape), _PIECE):
                count = min(prod(shape) - start, _PIECE)
                values = generator.standard_normal(count, dtype=np.float32) * np.float32(0.03)
                yield values.astype("<f2" if dtype == "F16" else "<f4").tobytes()

        return Array(dtype, shape, values)

    if not files.pickled.exists():
        state: dict[str | int, Tree] = {name: drawn(shape) for name, shape in _shapes(*_PARTS)}
        write_torch_zip(files.pickled, {"state_dict": state})
    if not files.plain.exists():
        convert.to_file(files.pickled, files.plain, Options())
    make_sparse(files.sparse)


def make_sparse(path: Path) -> None:
    """SD1.5 in fp32 with its EMA copy: a header, and as many noughts as it promises."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in _shapes(*_PARTS, _EMA):
        start, end = end, end + 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


# -- the measurements ------------------------------------------------------------------------------


def _inspect(file: Path, *sections: str) -> list[str | Path]:
    only = ("--only", ",".join(sections)) if sections else ()
    return [sys.executable, "-m", "scanner", "inspect", "--json", *only, file]


def _digest(file: Path) -> list[str | Path]:
    return [sys.executable, "-c", _DIGEST, file]


def _line(series: Series, allowed: str, base: Series | None = None) -> str:
    cpu = statistics.median(run.cpu for run in series.runs)
    ratio = f"{series.seconds / base.seconds:.2f} ×" if base else "–"
    return (
        f"| {series.name} | {series.seconds:.2f} | {cpu:.2f} | {ratio} | {allowed} | "
        f"{series.peak / 2**20:,.0f} MiB |"
    )


def measure(files: Files, runs: int) -> bool:
    """Print every figure; whether all limits are kept."""
    kept = True
    print("| what | seconds | of processors | ratio | allowed | peak memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    look = "identity of 7.70 GB, header only"
    (first,) = side_by_side(
        {look: _inspect(files.sparse, "identity")}, times=runs, folder=ROOT
    ).values()
    print(_line(first, "0.3 s"))
    kept &= first.seconds < 0.3 and first.peak < _MEMORY
    everything = (*SECTIONS, EXTRA[0])
    groups = (
        (files.pickled, {"all five sections": (1.5, ())}),
        (files.plain, {"all five sections": (2.0, ()), "with fingerprints": (3.0, everything)}),
    )
    for file, looks in groups:
        about = f"{file.suffix} of {file.stat().st_size / 1e9:.2f} GB"
        commands = {f"sha256 of a {about}": _digest(file)}
        commands |= {f"{name}, {about}": _inspect(file, *only) for name, (_, only) in looks.items()}
        base, *told = side_by_side(commands, times=runs, folder=ROOT).values()
        print(_line(base, "–"))
        for series, (ratio, _) in zip(told, looks.values(), strict=True):
            print(_line(series, f"{ratio} ×", base))
            kept &= series.seconds <= ratio * base.seconds and series.peak < _MEMORY
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each; the median counts")
    parser.add_argument("--dtype", choices=("F32", "F16"), default="F32", help="of the checkpoint")
    parser.add_argument("--dir", type=Path, help="where to work, and to keep the files")
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="identity-"))
    folder.mkdir(exist_ok=True)
    name = f"sd15-{arguments.dtype}"
    files = Files(
        folder / f"{name}.ckpt", folder / f"{name}.safetensors", folder / "full-ema.safetensors"
    )
    try:
        maker = Process(target=make, args=(files, arguments.dtype))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the files could not be made")
        kept = measure(files, arguments.runs)
    finally:
        if arguments.dir is None:
            shutil.rmtree(folder, ignore_errors=True)
    if not kept:
        raise SystemExit("not every limit is kept")


if __name__ == "__main__":
    main()
