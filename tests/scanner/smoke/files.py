"""Small model files of known architecture with random values, made in a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from scanner.identify.architectures.table import ARCHITECTURES

Values = dict[str, NDArray[np.generic]]

#: Component → architecture's layout, and what comes before its names in a checkpoint.
MINI = {
    ("sd1-mini", "ldm-unet"): "model.diffusion_model.",
    ("vae-mini", "ldm-vae"): "first_stage_model.",
    ("clip-mini", "clip"): "cond_stage_model.transformer.text_model.",
}


def shapes(layouts: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor that must be there, with its prefix."""
    for row in ARCHITECTURES:
        if (row.name, row.layout) in layouts:
            prefix = layouts[row.name, row.layout]
            for name, shape in row.build().shapes.items():
                yield prefix + name, shape


def values(
    layouts: Mapping[tuple[str, str], str] = MINI, dtype: type[np.floating] = np.float32
) -> Values:
    """Random weights of the size that keeps activations near one; norms do nothing."""
    random = np.random.default_rng(0)
    return {name: _tensor(random, name, shape, dtype) for name, shape in shapes(layouts)}


def _tensor(
    random: np.random.Generator, name: str, shape: tuple[int, ...], dtype: type[np.floating]
) -> NDArray[np.generic]:
    if len(shape) < 2:
        return np.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype)
    # Embeddings are looked up, not summed over.
    spread = 0.02 if "embedding" in name else float(np.prod(shape[1:])) ** -0.5
    return (random.standard_normal(shape, np.float32) * spread).astype(dtype)


def write(path: Path, tensors: Values) -> Path:
    safetensors.numpy.save_file(tensors, path)
    return path
