"""What is on a picture of the miniature: its colour and its form, measured and not guessed."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from scanner.smoke.miniature.drawing import COLOURS, SHAPES, Pixels, mask, outline

_DISTANCE = 0.25  # from the background's colour, in the unit cube
_TURNS = (-0.1, 0.0, 0.1)


@dataclass(frozen=True, slots=True)
class Seen:
    """``share`` is the part of the picture that the figure covers; 0 where there is none.
    ``likeness`` is that of the best fitting form: what both cover, of what either covers."""

    colour: str
    shape: str
    likeness: float
    share: float


def figure(pixels: Pixels) -> NDArray[np.bool_]:
    """Where a picture differs from its background: a plane laid through its border."""
    side = pixels.shape[0]
    line = np.arange(side, dtype=np.float32) / side
    places = np.stack([np.ones((side, side), np.float32), *np.meshgrid(line, line)], axis=-1)
    border = np.ones((side, side), bool)
    rim = max(2, side // 24)
    border[rim:-rim, rim:-rim] = False
    # A figure that reaches the border must not bend the plane: the middle half decides first.
    values = pixels[border]
    near = np.abs(values - np.median(values, axis=0)).sum(axis=1)
    kept = near <= np.quantile(near, 0.8)
    plane, *_ = np.linalg.lstsq(places[border][kept], values[kept], rcond=None)
    distance = np.sqrt(((pixels - places @ plane) ** 2).sum(axis=2))
    found: NDArray[np.bool_] = distance > _DISTANCE
    return found


def see(pixels: Pixels) -> Seen:
    """Of a square picture with values from 0 to 1."""
    found = figure(pixels)
    if found.sum() < 30:
        return Seen("", "", 0.0, 0.0)
    shape, likeness = _shape(found)
    return Seen(colour_of(pixels[found].mean(axis=0)), shape, likeness, float(found.mean()))


def colour_of(mean: NDArray[np.float32]) -> str:
    """The nearest colour, lightness counting for little."""
    return min(COLOURS, key=lambda name: _apart(mean, np.asarray(COLOURS[name]) / 255))


def _apart(one: NDArray[np.float32], other: NDArray[np.float64]) -> float:
    difference = one - other
    grey = difference.mean()
    return float(((difference - grey) ** 2).sum() + 0.5 * grey**2)


def _shape(found: NDArray[np.bool_]) -> tuple[str, float]:
    side = found.shape[0]
    rows, columns = np.nonzero(found)
    centre = (float(columns.mean() + 0.5) / side, float(rows.mean() + 0.5) / side)
    likeness = {
        shape: max(_overlap(found, shape, centre, turn) for turn in _TURNS) for shape in SHAPES
    }
    best = max(likeness, key=lambda shape: likeness[shape])
    return best, likeness[best]


def _overlap(
    found: NDArray[np.bool_], shape: str, centre: tuple[float, float], turn: float
) -> float:
    """With the form of the same area at the same place."""
    side = found.shape[0]
    unit = float((mask(outline(shape, (0.5, 0.5), 0.25, turn), side) > 0.5).mean()) / 0.25**2
    radius = sqrt(float(found.mean()) / unit)
    form = mask(outline(shape, centre, radius, turn), side) > 0.5
    return float((found & form).sum() / max(1, (found | form).sum()))
