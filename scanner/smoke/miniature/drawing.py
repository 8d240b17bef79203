"""The pictures that the miniature learns from, and the words that go with them.

One shaded shape on a soft background: enough for colour, form, size and light to be told apart,
and for a picture to have the many tones that a photograph has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.float32]
Random = np.random.Generator
Colour = tuple[int, int, int]
Point = tuple[float, float]

COLOURS: Mapping[str, Colour] = {
    "red": (214, 38, 36),
    "orange": (242, 133, 24),
    "yellow": (246, 214, 38),
    "green": (44, 158, 62),
    "cyan": (38, 194, 208),
    "blue": (38, 78, 206),
    "purple": (132, 44, 176),
    "pink": (240, 122, 178),
}
SHAPES = ("circle", "square", "triangle", "star")
SIZES: Mapping[str, tuple[float, float]] = {
    "small": (0.17, 0.22),
    "": (0.24, 0.36),
    "large": (0.38, 0.44),
}
LIGHTS: Mapping[str, tuple[float, float]] = {"light": (0.72, 0.95), "dark": (0.06, 0.28)}
#: Words that change nothing, so that the miniature learns to read past them.
OPENINGS = ("", "", "", "", "a picture of ", "a drawing of ", "a photo of ", "an image of ")

_FINER = 3  # a mask is drawn this much larger and shrunk: smooth edges


@dataclass(frozen=True, slots=True)
class Subject:
    """What is in a picture. Sizes and places are shares of the picture's side."""

    colour: str
    shape: str
    size: str
    #: Empty where the words do not say.
    light: str
    radius: float
    centre: Point
    turn: float

    @property
    def words(self) -> str:
        size = f"{self.size} " if self.size else ""
        where = f" on a {self.light} background" if self.light else ""
        text = f"{size}{self.colour} {self.shape}{where}"
        return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def subject(random: Random) -> Subject:
    """Any colour, form, size and place."""
    size = str(random.choice(["", "", "", "small", "large"]))
    radius = float(random.uniform(*SIZES[size]))
    room = max(0.0, 0.47 - radius)
    return Subject(
        colour=str(random.choice(list(COLOURS))),
        shape=str(random.choice(SHAPES)),
        size=size,
        light=str(random.choice(["", "", "light", "dark"])),
        radius=radius,
        centre=(0.5 + float(random.uniform(-room, room)), 0.5 + float(random.uniform(-room, room))),
        turn=float(random.uniform(-0.12, 0.12)),
    )


def caption(of: Subject, random: Random) -> str:
    return str(random.choice(OPENINGS)) + of.words


def outline(shape: str, centre: Point, radius: float, turn: float) -> list[Point]:
    """The corners of a shape; a circle has many."""
    if shape == "circle":
        corners = [(2 * pi * step / 72, 0.94) for step in range(72)]
    elif shape == "square":
        corners = [(pi / 4 + pi / 2 * step, 1.13) for step in range(4)]
    elif shape == "triangle":
        corners = [(-pi / 2 + 2 * pi / 3 * step, 1.15) for step in range(3)]
    elif shape == "star":
        corners = [(-pi / 2 + pi / 5 * step, 1.1 if step % 2 == 0 else 0.46) for step in range(10)]
    else:
        raise LookupError(f"no shape called {shape}")
    return [
        (centre[0] + radius * far * cos(angle + turn), centre[1] + radius * far * sin(angle + turn))
        for angle, far in corners
    ]


def mask(corners: list[Point], side: int) -> Pixels:
    """1 inside, 0 outside, something between along the edge."""
    large = Image.new("L", (side * _FINER, side * _FINER), 0)
    scaled = [(x * side * _FINER, y * side * _FINER) for x, y in corners]
    ImageDraw.Draw(large).polygon(scaled, fill=255)
    small = large.resize((side, side), Image.Resampling.BOX)
    inside: Pixels = np.asarray(small, dtype=np.float32) / np.float32(255)
    return inside


def _slope(random: Random, side: int) -> Pixels:
    """From -1 to 1 across the picture, in a random direction."""
    angle = float(random.uniform(0, 2 * pi))
    line = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    slope = line[None, :] * cos(angle) + line[:, None] * sin(angle)
    scaled: Pixels = slope.astype(np.float32) / np.float32(1.42)
    return scaled


def background(random: Random, side: int, light: str = "") -> Pixels:
    """A soft slope between two greys with a little tint, of the lightness asked for or any."""
    low, high = LIGHTS[light] if light else (0.1, 0.92)
    middle = random.uniform(low, high)
    reach = random.uniform(0.06, 0.16)
    tint = random.uniform(-0.05, 0.05, 3).astype(np.float32)
    grey = middle + reach * _slope(random, side)
    tinted: Pixels = np.clip(grey[..., None] + tint, 0.02, 0.98).astype(np.float32)
    return tinted


def picture(of: Subject, random: Random, side: int) -> Pixels:
    """Height × width × 3 from 0 to 1."""
    ground = background(random, side, of.light)
    inside = mask(outline(of.shape, of.centre, of.radius, of.turn), side)[..., None]
    near = np.asarray(COLOURS[of.colour], dtype=np.float32) / 255
    near = near + random.uniform(-0.04, 0.04, 3).astype(np.float32)
    shade = 1 + 0.14 * _slope(random, side)[..., None]
    painted = ground * (1 - inside) + np.clip(near * shade, 0, 1) * inside
    return np.clip(painted, 0, 1).astype(np.float32)


def scene(random: Random, side: int) -> Pixels:
    """Anything: slopes, polygons, boxes and ellipses in any colour, with some grain. An
    autoencoder that knew shapes alone would be lost with a landscape."""
    sky = np.empty((side, side, 3), np.float32)
    ends = random.uniform(0.1, 1, (2, 3))
    ramp = (_slope(random, side)[..., None] + 1) / 2
    sky[...] = ends[0] * (1 - ramp) + ends[1] * ramp
    image = Image.fromarray((np.clip(sky, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(2, 9))):
        fill = tuple(int(value) for value in random.integers(20, 250, 3))
        x, y = random.uniform(-0.1, 0.9, 2) * side
        wide, high = random.uniform(0.06, 0.6, 2) * side
        match int(random.integers(3)):
            case 0:
                draw.rectangle((x, y, x + wide, y + high), fill=fill)
            case 1:
                draw.ellipse((x, y, x + wide, y + high), fill=fill)
            case _:
                places = random.uniform(0, 1, (int(random.integers(3, 5)), 2))
                draw.polygon([(x + wide * a, y + high * b) for a, b in places], fill=fill)
    grain = random.normal(0, random.uniform(0, 0.015), sky.shape)
    return np.clip(np.asarray(image, np.float32) / 255 + grain, 0, 1).astype(np.float32)
