"""A reference picture that we draw ourselves: smooth sky, hard edges, saturated colours, grain.

It stands in for a photograph where a model needs a picture to start from: encoding and decoding
by a VAE, the first noise step of a UNet, inpainting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.float32]


def drawn(size: int) -> Image.Image:
    """The reference picture, ``size`` pixels square; the same pixels every time."""
    ramp = np.linspace(0.0, 1.0, size, dtype=np.float32)
    sky = np.empty((size, size, 3), dtype=np.float32)
    for channel, (top, bottom) in enumerate(((70, 240), (130, 205), (215, 165))):
        sky[..., channel] = top + (bottom - top) * ramp[:, None]
    grain = np.random.default_rng(1).normal(0.0, 2.0, sky.shape)
    image = Image.fromarray(np.clip(sky + grain, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    unit = size / 16

    def box(*corners: float) -> tuple[float, ...]:
        return tuple(corner * unit for corner in corners)

    draw.ellipse(box(10.5, 1.5, 13.5, 4.5), fill=(250, 225, 90))
    draw.polygon(box(0, 10, 5, 5, 10, 10), fill=(95, 100, 120))
    draw.rectangle(box(0, 10, 16, 16), fill=(85, 140, 70))
    draw.polygon(box(7, 16, 8.5, 10, 9.5, 10, 13, 16), fill=(180, 155, 110))
    draw.rectangle(box(2, 8.5, 6, 12.5), fill=(190, 60, 50))
    draw.polygon(box(1.5, 8.5, 4, 6, 6.5, 8.5), fill=(70, 45, 40))
    draw.rectangle(box(3, 9.5, 4, 10.5), fill=(235, 240, 250))
    draw.ellipse(box(11, 8, 14, 12), fill=(40, 105, 55))
    draw.rectangle(box(12.3, 12, 12.7, 13.5), fill=(100, 70, 45))
    return image


def shape(size: int) -> Image.Image:
    """A red circle on a light ground, for models that know shapes and nothing else."""
    ramp = np.linspace(0.0, 1.0, size, dtype=np.float32)[:, None, None]
    ground = np.full((size, size, 3), 190, dtype=np.float32) + 40 * ramp
    disc = np.asarray((214, 38, 36), dtype=np.float32) * (1.1 - 0.2 * ramp)
    large = Image.new("L", (size * 3, size * 3), 0)
    ImageDraw.Draw(large).ellipse([size * 3 * 0.22] * 2 + [size * 3 * 0.78] * 2, fill=255)
    small = large.resize((size, size), Image.Resampling.BOX)
    inside = np.asarray(small, dtype=np.float32)[..., None] / 255
    return Image.fromarray((ground * (1 - inside) + disc * inside).round().astype(np.uint8))


def described(base_name: str, size: int) -> Image.Image:
    """The picture that the base's descriptions speak of."""
    return shape(size) if base_name == "sd1-mini" else drawn(size)


def mask(size: int) -> Image.Image:
    """White in the middle: the part that inpainting is to fill."""
    image = Image.new("L", (size, size), 0)
    ImageDraw.Draw(image).rectangle((size // 4, size // 4, size * 3 // 4, size * 3 // 4), fill=255)
    return image


def pixels(image: Image.Image) -> Pixels:
    """Height × width × 3, from 0 to 1."""
    values: Pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
    return values
