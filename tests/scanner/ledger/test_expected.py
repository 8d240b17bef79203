"""Sizes that raise a question raise it in a sentence, and those that do not are silent."""

from __future__ import annotations

import pytest

from scanner import ledger
from scanner.extents import Extent, Part
from scanner.identify import identify
from scanner.identify.anatomy import Anatomy
from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.limits import DEFAULT
from scanner.report import Format, Ledger
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable, contiguous_stride

Shapes = dict[str, tuple[int, ...]]


def _shapes(name: str, layout: str, prefix: str) -> Shapes:
    row = next(
        row for row, item in enumerate(ARCHITECTURES) if (item.name, item.layout) == (name, layout)
    )
    return {prefix + key: shape for key, shape in architectures.blueprint(row).shapes.items()}


_UNET = _shapes("sd1", "ldm-unet", "model.diffusion_model.")
_EMA = _shapes("sd1", "flat-unet", "model_ema.diffusion_model")
_VAE = _shapes("vae-4ch", "ldm-vae", "first_stage_model.")
_CLIP = _shapes("clip-l", "clip", "cond_stage_model.transformer.text_model.")
_JUNK: Shapes = {"junk": (100, 1000, 1000)}


def _ledger(*parts: tuple[str, Shapes], unclaimed: int = 0) -> Ledger:
    tensors, extents, at = [], [], 0
    for dtype, shapes in parts:
        for name, shape in shapes.items():
            size = Tensor(name, dtype, shape, (), Storage(name, 0, BytesSource(b""))).nbytes
            storage = Storage(name, size, BytesSource(b""))
            tensors.append(Tensor(name, dtype, shape, contiguous_stride(shape), storage))
            extents.append(Extent(at, size, Part.STORAGE, name))
            at += size
    extents.append(Extent(at, unclaimed, Part.UNCLAIMED))
    anatomy = Anatomy(TensorTable(tuple(tensors)))
    known = identify(anatomy.table, format=Format.SAFETENSORS, limits=DEFAULT)
    return ledger.account(at + unclaimed, tuple(extents), anatomy, known)


def test_an_ordinary_file_raises_no_question() -> None:
    for dtype in ("F16", "F32"):
        found = _ledger((dtype, _UNET), (dtype, _CLIP), (dtype, _VAE))
        assert found.anomalies == ()


def test_the_expected_sizes_are_those_that_people_know() -> None:
    found = _ledger(("F16", _UNET), ("F32", _EMA), ("F16", _CLIP), ("F16", _VAE))
    assert found.expected["unet"] == {"fp16": 1_719_041_928, "fp32": 3_438_083_856}
    assert found.expected["ema"] == found.expected["unet"]
    assert found.expected["vae"]["fp16"] == 2 * 83_653_863
    assert found.expected["text_encoder"]["fp32"] == 4 * 123_060_480


def test_a_vae_left_in_fp32() -> None:
    found = _ledger(("F16", _UNET), ("F16", _CLIP), ("F32", _VAE))
    assert found.anomalies == (
        "The VAE is 0.17 GB larger than fp16 would be: it is in fp32, though the model is not.",
    )


def test_what_no_component_explains() -> None:
    parts = [("F16", _UNET), ("F16", _CLIP), ("F16", _VAE)]
    assert _ledger(*parts, ("F32", _JUNK)).anomalies == ("0.40 GB that no component explains.",)
    assert _ledger(*parts, unclaimed=1_200_000_000).anomalies == (
        "1.20 GB that no component explains.",
    )
    assert _ledger(*parts, unclaimed=900_000).anomalies == ()


def test_a_component_of_several_precisions() -> None:
    half = dict(list(_UNET.items())[:400])
    rest = {name: shape for name, shape in _UNET.items() if name not in half}
    (sentence,) = _ledger(("F16", half), ("F32", rest), ("F16", _CLIP), ("F16", _VAE)).anomalies
    assert sentence.startswith("The UNet mixes precisions: ")
    assert sentence.endswith("where fp16 alone would be 1.72 GB and fp32 3.44 GB.")


def test_a_component_that_is_not_whole() -> None:
    most = dict(list(_UNET.items())[:400])
    lacking = sum(2 * _count(shape) for name, shape in _UNET.items() if name not in most)
    (sentence,) = _ledger(("F16", most), ("F16", _CLIP), ("F16", _VAE)).anomalies
    assert sentence == f"The UNet is {lacking / 1e9:.2f} GB smaller than a whole one in fp16."


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def test_the_size_of_another_make_up_is_no_proof() -> None:
    """4.27 GB is fp32 to most people; two UNets in fp16 weigh the same."""
    found = _ledger(("F16", _UNET), ("F16", _EMA), ("F32", _CLIP), ("F32", _VAE))
    assert any(
        text.startswith("4.26 GB is the size of another make-up (UNet fp32, text encoder fp32, VAE")
        for text in found.anomalies
    )


@pytest.mark.parametrize(
    ("parts", "words"),
    [((("F16", _UNET), ("F16", _CLIP), ("F16", _VAE)), ("pruned", "fp16")),
     ((("F32", _UNET), ("F32", _EMA), ("F32", _CLIP), ("F32", _VAE)), ("full", "ema", "fp32")),
     ((("F32", _EMA), ("F32", _CLIP), ("F32", _VAE)), ("pruned", "emaonly", "fp32")),
     ((("F16", _UNET), ("F16", _CLIP)), ("pruned", "noVAE", "fp16")),
     ((("F16", _UNET), ("F16", _VAE)), ("pruned", "noCLIP", "fp16")),
     ((("F16", _UNET),), ("pruned", "noVAE", "noCLIP", "fp16")),
     ((("F16", _UNET), ("F16", _VAE), ("F16", _CLIP),
       ("F32", {"optimizer_states.0.state.0.exp_avg": (9, 9)})), ("full", "fp16")),
     ((("F16", _VAE),), ())],
)  # fmt: skip
def test_words_follow_from_what_is_there(
    parts: tuple[tuple[str, Shapes], ...], words: tuple[str, ...]
) -> None:
    assert _ledger(*parts).words == words
