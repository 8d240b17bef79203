"""What the vectors of words start from: the same numbers on every machine, so that the package
carries only those that were trained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPREAD = 0.02


def start(count: int, width: int) -> NDArray[np.float32]:
    """``count`` vectors: small, evenly distributed, made of whole numbers and so the same with
    every release of numpy and for every processor; exact in fp16."""
    index = np.arange(count * width, dtype=np.uint64)
    mixed = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    steps = (mixed >> np.uint64(54)).astype(np.float32) - np.float32(511.5)
    return (
        (steps / np.float32(512) * np.float32(SPREAD * 1.7))
        .reshape(count, width)
        .astype(np.float16)
        .astype(np.float32)
    )
