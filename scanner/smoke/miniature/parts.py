"""The miniature's weights as the package carries them: fp16, one file a part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from scanner.smoke.miniature.vectors import start

WEIGHTS = Path(__file__).parent / "weights"
TABLE = "embeddings.token_embedding.weight"
#: In the text encoder's part: the vectors that were trained, and which words' they are.
ROWS, PLACES = "trained_vectors", "trained_words"
_VOCABULARY = 49408

Values = dict[str, NDArray[np.generic]]


def part(name: str) -> Values:
    """The tensors of one part, by the names of its own layout."""
    return dict(sorted(safetensors.numpy.load_file(WEIGHTS / f"{name}.safetensors").items()))


def text_encoder() -> Values:
    """With the whole table of vectors: those never trained follow from their place in it."""
    values = part("text_encoder")
    rows, places = values.pop(ROWS), values.pop(PLACES)
    table = start(_VOCABULARY, rows.shape[1]).astype(np.float16)
    table[places] = rows
    return {TABLE: table, **values}


def last_unet() -> Values:
    """The UNet's last weights; ``part("unet")`` is their average over the training.

    The package carries the difference alone, rounded to fifteen steps a tensor.
    """
    average, steps = part("unet"), part("unet_last")
    return {name: _moved(value, steps[name], steps[name + ".step"])
            for name, value in average.items()}  # fmt: skip


def _moved(
    average: NDArray[np.generic], packed: NDArray[np.generic], step: NDArray[np.generic]
) -> NDArray[np.generic]:
    pairs = packed.astype(np.uint8)
    nibbles = np.stack([pairs & np.uint8(15), pairs >> np.uint8(4)], axis=-1).ravel()
    steps = nibbles[: average.size].astype(np.float32).reshape(average.shape) - 7
    moved: NDArray[np.generic] = average.astype(np.float32) + steps * np.float32(step)
    return moved


def packed(
    average: Mapping[str, NDArray[np.float32]], last: Mapping[str, NDArray[np.float32]]
) -> Values:
    """The other way round: what the package carries of the last weights."""
    kept: Values = {}
    for name, mean in average.items():
        difference = last[name] - mean.astype(np.float16).astype(np.float32)
        step = max(float(np.abs(difference).max()) / 7, 1e-12)
        nibbles = (np.clip(np.rint(difference / step), -7, 7) + 7).astype(np.uint8).ravel()
        nibbles = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8)).reshape(-1, 2)
        kept[name] = nibbles[:, 0] | (nibbles[:, 1] << np.uint8(4))
        kept[name + ".step"] = np.array(step, np.float32)
    return kept
