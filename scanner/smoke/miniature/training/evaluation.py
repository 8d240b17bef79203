"""How good the miniature is: every colour and form is drawn from several seeds, as the smoke test
draws, and what is on the pictures is measured. The autoencoder sends pictures round that it has
not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from scanner import smoke
from scanner.smoke.miniature import files
from scanner.smoke.miniature.drawing import COLOURS, SHAPES, Pixels, picture, scene, subject
from scanner.smoke.miniature.judging import see
from scanner.smoke.miniature.parts import part
from scanner.smoke.miniature.training.autoencoder import built
from scanner.smoke.miniature.training.export import restored
from scanner.smoke.reference import drawn, pixels

SEEDS = 4
SHOWN = 24


def table() -> Iterator[str]:
    """The report, line by line."""
    # Before torch computes here: the smoke test forks, and a forked child of torch's threads hangs.
    yield from _shapes()
    yield from _round_trips()


def _shapes() -> Iterator[str]:
    asked = [(colour, shape) for colour in COLOURS for shape in SHAPES] * SEEDS
    with TemporaryDirectory() as folder:
        out = Path(folder)
        options = smoke.Options(
            prompts=tuple(f"a {colour} {shape}" for colour, shape in asked), seed=1, device="cpu"
        )
        path = files(out / "files")["mini.safetensors"]
        result: dict[str, Any] = dict(smoke.run(path, out, options=options))
        yield from (
            f"{check['name']}: {check['outcome']}, {check['value']}" for check in result["checks"]
        )
        made = [out / str(item["file"]) for item in result["images"] if item["size"] == "full"]
        colours: Counter[str] = Counter()
        shapes: Counter[str] = Counter()
        for (colour, shape), path in zip(asked, made, strict=True):
            seen = see(_read(path))
            colours[colour] += seen.colour == colour
            shapes[shape] += seen.shape == shape
    yield "colours: " + _shares(colours, COLOURS, len(SHAPES) * SEEDS)
    yield "forms: " + _shares(shapes, SHAPES, len(COLOURS) * SEEDS)


def _read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)


def _shares(right: Counter[str], names: Mapping[str, object] | tuple[str, ...], of: int) -> str:
    each = ", ".join(f"{name} {right[name]}" for name in names)
    return f"{sum(right.values())} of {of * len(names)} right ({each}, of {of} each)"


def _round_trips() -> Iterator[str]:
    model = built()
    values = restored(part("vae"), "vae-mini", "diffusers-vae")
    # Its attention is 1×1 convolutions in files, and matrices in diffusers.
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    model.load_state_dict({name: value.reshape(shapes[name]) for name, value in values.items()})
    random = np.random.default_rng((0, 9))
    kinds: Mapping[str, list[Pixels]] = {
        "shapes": [picture(subject(random), random, 128) for _ in range(SHOWN)],
        "scenes": [scene(random, 128) for _ in range(SHOWN)],
        "reference, 128 px": [pixels(drawn(128))],
        "reference, 256 px": [pixels(drawn(256))],
    }
    for kind, pictures in kinds.items():
        found = [_psnr(_returned(model, one), one) for one in pictures]
        yield f"round trip, {kind}: {np.mean(found):.1f} dB, worst {min(found):.1f}"


def _psnr(made: Pixels, wanted: Pixels) -> float:
    return float(10 * np.log10(1 / max(1e-10, float(((made - wanted) ** 2).mean()))))


def _returned(model: AutoencoderKL, one: Pixels) -> Pixels:
    planes = torch.from_numpy(one.transpose(2, 0, 1)[np.newaxis] * 2 - 1)
    with torch.inference_mode():
        made = model.decode(model.encode(planes).latent_dist.mode()).sample
    back: Pixels = np.clip((made[0].permute(1, 2, 0).numpy() + 1) / 2, 0, 1)
    return back
