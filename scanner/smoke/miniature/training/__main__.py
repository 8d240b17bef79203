"""``python -m scanner.smoke.miniature.training DIR``: train everything, or see how good it is.

Checkpoints lie in DIR; the finished parts are written beside the package's code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from scanner.smoke.miniature.training import addons, autoencoder, diffusion, evaluation, export

STEPS = ("vae", "diffusion", "export", "addons")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scanner.smoke.miniature.training", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", choices=STEPS, action="append", help="the VAE and the UNet know nothing of each "
        "other: they can be trained side by side",
    )  # fmt: skip
    parser.add_argument("--evaluate", action="store_true", help="measure what the package holds")
    given = parser.parse_args(arguments)
    # Sums depend on how many threads share them.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if given.evaluate:
        lines = evaluation.table()
    else:
        given.folder.mkdir(parents=True, exist_ok=True)
        lines = _train(given.folder, given.seed, given.only or STEPS)
    for line in lines:
        print(line, flush=True)
    return 0


def _train(folder: Path, seed: int, steps: tuple[str, ...]) -> Iterator[str]:
    if "vae" in steps:
        yield from autoencoder.train(seed, folder)
    if "diffusion" in steps:
        yield from diffusion.train(seed, folder)
    if "export" in steps:
        export.vae(torch.load(folder / "vae.pt", weights_only=True))
        both = torch.load(folder / "diffusion.pt", weights_only=True)
        export.diffusion(both["average"], both["raw"], diffusion.Miniature().taught)
    if "addons" in steps:
        yield from addons.train(seed, folder)


if __name__ == "__main__":
    sys.exit(main())
