"""Our configs and the identifier's table describe the same architectures."""

from __future__ import annotations

from math import prod

import pytest

from scanner.identify.architectures.table import ARCHITECTURES
from scanner.smoke.bases import BASES

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

#: Base → its UNet, its VAE and its text encoders, in the order of ``BASES``.
KNOWN = {
    "sd1": ("sd1", "vae-4ch", ("clip-l",)),
    "sd2": ("sd2", "vae-4ch", ("openclip-h",)),
    "sdxl": ("sdxl", "vae-4ch", ("clip-l", "openclip-g")),
    "sdxl-refiner": ("sdxl-refiner", "vae-4ch", ("openclip-g",)),
    "sd1-mini": ("sd1-mini", "vae-mini", ("clip-mini",)),
}


def shapes(name: str, layout: str) -> dict[str, tuple[int, ...]]:
    row = next(row for row in ARCHITECTURES if (row.name, row.layout) == (name, layout))
    return dict(row.build().shapes)


def empty(kind: str, base: str, part: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the module that our config describes; no weights are made."""
    with torch.device("meta"):
        folder = str(BASES[base].folder)
        made = getattr(diffusers, kind)
        module = made.from_config(made.load_config(folder, subfolder=part, local_files_only=True))
    return {name: tuple(item.shape) for name, item in module.state_dict().items()}


def test_every_base_is_held_against_the_table() -> None:
    assert set(KNOWN) == set(BASES)


@pytest.mark.parametrize("base", KNOWN)
def test_the_unet_is_the_identifiers(base: str) -> None:
    assert empty("UNet2DConditionModel", base, "unet") == shapes(KNOWN[base][0], "diffusers-unet")


@pytest.mark.parametrize("base", KNOWN)
def test_the_vae_is_the_identifiers(base: str) -> None:
    ours, known = empty("AutoencoderKL", base, "vae"), shapes(KNOWN[base][1], "diffusers-vae")
    # The layers of an attention may be written as convolutions of one pixel.
    assert {name: prod(shape) for name, shape in ours.items()} == {
        name: prod(shape) for name, shape in known.items()
    }


@pytest.mark.parametrize("base", KNOWN)
def test_the_text_encoders_are_the_identifiers(base: str) -> None:
    transformers = pytest.importorskip("transformers")
    for part, name in zip(BASES[base].text_encoders, KNOWN[base][2], strict=True):
        folder = BASES[base].folder / BASES[base].slot(part)
        config = transformers.CLIPTextConfig.from_pretrained(str(folder), local_files_only=True)
        with torch.device("meta"):
            module = transformers.CLIPTextModel._from_config(config)
        known = sum(prod(shape) for shape in shapes(name, "clip").values())
        assert sum(item.numel() for item in module.parameters()) == known
