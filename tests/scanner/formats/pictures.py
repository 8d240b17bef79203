"""Pictures with an embedding in their pixels, written as WebUI writes them."""

from __future__ import annotations

import itertools
import json
import zlib

import numpy as np
from numpy.typing import NDArray

from scanner.reading import Reading

VECTORS = np.linspace(-1, 1, 2 * 768, dtype=np.float32).reshape(2, 768)
EMBEDDING = {
    "string_to_token": {"*": 265},
    "string_to_param": {"*": {"TORCHTENSOR": VECTORS.tolist()}},
    "name": "dusk",
    "step": 500,
    "sd_checkpoint": None,
}
Pixels = NDArray[np.uint8]


def noise(width: int = 96, height: int = 64, channels: int = 3) -> Pixels:
    # Smooth, so that the encoder chooses different filters, and nowhere dark.
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [128 + 100 * np.sin(x / (5 + n) + y / (9 - n)) for n in range(channels)]
    picture: Pixels = np.stack(waves, 2).astype(np.uint8) | np.uint8(1)
    return picture


def _block(nibbles: bytes, height: int) -> Pixels:
    """Four bits of data in each channel's low half, masked; the high half is a pattern."""
    row = height * 3
    filled = np.resize(np.frombuffer(nibbles, np.uint8), -(-len(nibbles) // row) * row)

    def masks() -> itertools.chain[int]:
        seed, out = 0, []
        for _ in range(len(filled)):
            seed = (1664525 * seed + 1013904223) % 2**32
            out.append(seed % 255 & 15)
        return itertools.chain(out)

    masked = filled ^ np.fromiter(masks(), np.uint8)
    return (masked | 0x50).astype(np.uint8).reshape(height, -1, 3)


def in_pixels(value: object, picture: Pixels) -> Pixels:
    packed = zlib.compress(json.dumps(value).encode(), 9)
    height = picture.shape[0]
    low = _block(bytes(byte & 15 for byte in packed), height)
    high = _block(bytes(byte >> 4 for byte in packed), height)
    gap = np.zeros((height, 1, 3), np.uint8)
    return np.concatenate([low, gap, picture, gap, high], 1)


def vectors(found: Reading) -> NDArray[np.float32]:
    assert found.table is not None
    (tensor,) = found.table.tensors
    return np.frombuffer(tensor.read(), "<f4").reshape(tensor.shape)
