"""From what was trained to the parts that the package carries: original names, fp16."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from scanner.identify.architectures.blueprint import Shape
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.smoke.miniature.parts import PLACES, ROWS, TABLE, WEIGHTS, Values, packed

Trained = Mapping[str, torch.Tensor]


def renamed(trained: Trained, name: str, layout: str) -> dict[str, NDArray[np.float32]]:
    """Under the names, and in the shapes, of a single file: both blueprints come from one walk,
    so their names correspond in order."""
    here, there = _blueprints(name, layout)
    return {
        original: trained[own].detach().numpy().reshape(there[original])
        for own, original in zip(here, there, strict=True)
    }


def _blueprints(name: str, layout: str) -> tuple[Mapping[str, Shape], Mapping[str, Shape]]:
    """Names and shapes in diffusers' layout, and in the original one."""
    layouts = (layout, layout.replace("diffusers", "ldm"))
    rows = {row.layout: row.build().shapes for row in ARCHITECTURES if row.name == name}
    return rows[layouts[0]], rows[layouts[1]]


def restored(values: Values, name: str, layout: str) -> dict[str, torch.Tensor]:
    """The other way round."""
    here, there = _blueprints(name, layout)
    return {
        own: torch.from_numpy(values[original].astype(np.float32))
        for own, original in zip(here, there, strict=True)
    }


def below(trained: Trained, prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in trained.items()
        if name.startswith(prefix)
    }


def diffusion(average: Trained, last: Trained, taught: tuple[int, ...]) -> None:
    unets = [
        renamed(below(state, "unet."), "sd1-mini", "diffusers-unet") for state in (average, last)
    ]
    save("unet", dict(unets[0]))
    save("unet_last", packed(*unets), halved=False)
    text = {
        name.removeprefix("text_model."): value.numpy()
        for name, value in below(average, "text.").items()
        if "token_embedding" not in name and "position_ids" not in name
    }
    assert TABLE not in text
    save(
        "text_encoder",
        {
            **text,
            ROWS: average["vectors.rows"].numpy(),
            PLACES: np.array(taught, np.int64),
        },
    )


def vae(trained: Trained) -> None:
    save("vae", dict(renamed(trained, "vae-mini", "diffusers-vae")))


def save(name: str, values: Values, *, halved: bool = True, folder: Path = WEIGHTS) -> None:
    folder.mkdir(exist_ok=True)
    kept = {
        key: value.astype(np.float16) if halved and value.dtype == np.float32 else value
        for key, value in values.items()
    }
    kept = {key: np.ascontiguousarray(value) for key, value in kept.items()}
    (folder / f"{name}.safetensors").write_bytes(safetensors.numpy.save(kept))
