"""What a file of a given size could hold: components at their precisions.

Size never decides what a file is; it is the cross-check, and an odd size is a question.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import prod
from typing import NamedTuple

from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES

#: Components of a checkpoint by base: (component, architecture, layout).
_PARTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "sd1": (("unet", "sd1", "ldm-unet"), ("text_encoder", "clip-l", "clip"),
            ("vae", "vae-4ch", "ldm-vae")),
    "sd2": (("unet", "sd2", "ldm-unet"), ("text_encoder", "openclip-h", "open-clip"),
            ("vae", "vae-4ch", "ldm-vae")),
    "sdxl": (("unet", "sdxl", "ldm-unet"), ("text_encoder", "clip-l", "clip"),
             ("text_encoder_2", "openclip-g", "open-clip"), ("vae", "vae-4ch", "ldm-vae")),
    "sdxl-refiner": (("unet", "sdxl-refiner", "ldm-unet"),
                     ("text_encoder", "openclip-g", "open-clip"), ("vae", "vae-4ch", "ldm-vae")),
}  # fmt: skip
_WIDTHS = {"fp16": 2, "fp32": 4}


class Makeup(NamedTuple):
    """``parts`` are (component, precision); ``bytes`` what they weigh without a container."""

    base: str
    parts: tuple[tuple[str, str], ...]
    bytes: int


@cache
def parameters(name: str, layout: str) -> int:
    """Parameters of an architecture, from its description."""
    row = next(
        row for row, item in enumerate(ARCHITECTURES) if (item.name, item.layout) == (name, layout)
    )
    blueprint = architectures.blueprint(row)
    return sum(map(prod, (*blueprint.shapes.values(), *blueprint.spare.values())))


@cache
def makeups(base: str) -> tuple[Makeup, ...]:
    """Every make-up of the base: each part in either precision or, but for the UNet, left out,
    with or without an EMA copy."""
    return tuple(_combine(base)) if base in _PARTS else ()


def _combine(base: str) -> Iterator[Makeup]:
    parts = _PARTS[base]
    counts = {component: parameters(name, layout) for component, name, layout in parts}
    counts["ema"] = counts["unet"]
    for choice in product(*(_choices(component) for component in counts)):
        held = tuple(
            (component, width) for component, width in zip(counts, choice, strict=True) if width
        )
        total = sum(counts[component] * _WIDTHS[width] for component, width in held)
        yield Makeup(base, held, total)


def _choices(component: str) -> tuple[str, ...]:
    return ("fp16", "fp32") if component == "unet" else ("fp16", "fp32", "")


#: A container adds at most about this share to what it holds.
_OVERHEAD = 0.001


def nearest(size: int, base: str) -> Makeup | None:
    """The make-up of the base that explains the size: of those that leave no more than a
    container's overhead, the plainest; otherwise the one that comes nearest."""
    fit = [item for item in makeups(base) if abs(item.bytes - size) <= _OVERHEAD * size]
    if fit:
        return min(fit, key=lambda item: (_oddity(item), abs(item.bytes - size)))
    return min(makeups(base), key=lambda item: abs(item.bytes - size), default=None)


def _oddity(makeup: Makeup) -> tuple[int, int]:
    """How unusual a make-up is: several precisions first, then parts left out or copied."""
    held = dict(makeup.parts)
    lacking = len(_PARTS[makeup.base]) - len(held.keys() - {"ema"})
    return len(set(held.values())), lacking + ("ema" in held)
