"""The miniature's latent space, which is laid down rather than learnt.

Each 8×8 block of pixels becomes four numbers: its mean lightness, two mean colour differences,
and how much lighter its lower right corner is than its upper left one. So the autoencoder and
the UNet can be trained apart, each knowing what the other will do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanner.smoke.miniature.drawing import Pixels

BLOCK = 8
#: Lightness and two colour differences of a pixel from -1 to 1: an orthonormal turn of RGB.
TURN = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]], np.float32)
TURN /= np.sqrt((TURN**2).sum(axis=1, keepdims=True))
#: So that drawn pictures have about standard deviation 1, as a UNet likes it.
SPREAD = np.array([0.9, 0.3, 0.32, 0.1], np.float32)


def latents(pixels: Pixels) -> NDArray[np.float32]:
    """4 × height/8 × width/8, as the UNet sees them (scaled), of pixels from 0 to 1."""
    height, width = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    turned = (pixels * 2 - 1) @ TURN.T
    quarters = turned.reshape(height, 2, BLOCK // 2, width, 2, BLOCK // 2, 3).mean(axis=(2, 5))
    means = quarters.mean(axis=(1, 3))
    corner = (quarters[:, 1, :, 1, 0] - quarters[:, 0, :, 0, 0]) / 2
    values = np.concatenate([means, corner[..., None]], axis=2)
    return (values / SPREAD).transpose(2, 0, 1).astype(np.float32)
