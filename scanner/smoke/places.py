"""Where a model's parts lie in its file: the identifier's findings, as a loader needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scanner.identify.matching import SCALES, Census, Part
from scanner.tensors import TensorTable

#: What each part is called in a sentence.
PARTS: Mapping[str, str] = {
    "unet": "UNet",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
    "vae": "VAE",
}
#: The identifier's layouts that can be loaded.
LAYOUTS = frozenset({
    "ldm-unet", "diffusers-unet", "flat-unet", "ldm-vae", "diffusers-vae", "diffusers-old-vae",
    "clip", "open-clip",
})  # fmt: skip
_PACKED = ("U8", "I8")


@dataclass(frozen=True, slots=True)
class Place:
    """One part: of which architecture, in which layout, below which prefix. ``lent`` where that is
    in the base model's file."""

    part: str
    arch: str
    layout: str
    prefix: str
    lent: bool = False


def places(census: Census) -> tuple[Place, ...]:
    """Every part that a picture needs. An averaged copy stands in for a UNet that is not there."""
    found = {part.component: part for part in census.parts}
    if "unet" not in found and "ema" in found:
        found["unet"] = found["ema"]
    return tuple(_place(name, found[name]) for name in PARTS if name in found)


def _place(name: str, part: Part) -> Place:
    return Place(name, part.architecture.name, part.architecture.layout, part.prefix)


def packed(table: TensorTable) -> bool:
    """Whether weights are stored as codes and scales, which only their own loaders undo."""
    return any(
        tensor.packed_bytes is not None
        or tensor.dtype in _PACKED
        or tensor.name.endswith(SCALES)
        for tensor in table
    )  # fmt: skip
