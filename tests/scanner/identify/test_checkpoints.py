"""What the values, the markers, a digest and the metadata add to keys and shapes."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from scanner.identify import known
from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.blueprint import Shape
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.report import Identity, State
from scanner.tensors import Tensor, TensorTable

Make = Callable[..., TensorTable]
Known = Callable[..., Identity]

_PREFIX = "model.diffusion_model."
_PROBE = f"{_PREFIX}output_blocks.11.1.transformer_blocks.0.norm1.bias"


def _shapes(name: str, layout: str, prefix: str) -> dict[str, Shape]:
    row = next(
        row for row, item in enumerate(ARCHITECTURES) if (item.name, item.layout) == (name, layout)
    )
    blueprint = architectures.blueprint(row)
    return {prefix + key: shape for key, shape in (blueprint.shapes | blueprint.spare).items()}


def _mini() -> dict[str, Shape]:
    return {
        **_shapes("sd1-mini", "ldm-unet", _PREFIX),
        **_shapes("vae-mini", "ldm-vae", "first_stage_model."),
        **_shapes("clip-mini", "clip", "cond_stage_model.transformer.text_model."),
    }


@pytest.mark.parametrize(("spread", "prediction"), [(0.2, "v"), (0.03, "epsilon"), (0.0, None)])
def test_sd2_predictions_differ_in_one_tensors_spread(
    make_tensor: Callable[..., Tensor],
    make_table: Make,
    known_as: Known,
    spread: float,
    prediction: str | None,
) -> None:
    values = struct.pack("<320e", *(spread if index % 2 else -spread for index in range(320)))
    tensors = [
        make_tensor(item.name, item.shape, "F16", values if item.name == _PROBE else b"")
        for item in make_table(_shapes("sd2", "ldm-unet", _PREFIX))
    ]
    assert known_as(TensorTable(tuple(tensors))).prediction == prediction


def test_sdxl_markers_say_v(make_table: Make, known_as: Known) -> None:
    shapes = _shapes("sdxl", "ldm-unet", _PREFIX)
    assert known_as(make_table(shapes)).prediction == "epsilon"
    marked = known_as(make_table(shapes | {"v_pred": (0,), "ztsnr": (0,)}))
    assert marked.prediction == "v"
    assert any("ztsnr" in line for line in marked.evidence)


def test_a_mini_checkpoint_is_whole(make_table: Make, known_as: Known) -> None:
    found = known_as(make_table(_mini()))
    assert (found.kind, found.base, found.variant) == ("checkpoint", "sd1-mini", "text-to-image")
    assert {part.state for part in found.components.values()} == {State.WHOLE}
    assert found.precision == "fp16"


def test_a_foreign_text_encoder_is_a_conflict(make_table: Make, known_as: Known) -> None:
    shapes = _shapes("sd1", "ldm-unet", _PREFIX)
    shapes |= _shapes("openclip-h", "open-clip", "cond_stage_model.model.")
    found = known_as(make_table(shapes))
    assert found.base == "sd1"
    assert "openclip-h" in found.conflicts[0]


def test_mixed_precision_is_called_mixed(make_table: Make, known_as: Known) -> None:
    half = make_table(_shapes("sd1-mini", "ldm-unet", _PREFIX))
    whole = make_table(_shapes("vae-mini", "ldm-vae", "first_stage_model."), "F32")
    found = known_as(TensorTable((*half.tensors, *whole.tensors)))
    assert found.precision == "mixed"
    assert found.components["unet"].precision == "fp16"
    assert found.components["vae"].precision == "fp32"


def test_a_known_digest_names_the_release(make_table: Make, known_as: Known) -> None:
    digest = next(key for key, item in known.RELEASES.items() if item.release == "sd1.5")
    shapes = _shapes("sd1", "ldm-unet", _PREFIX)
    assert known_as(make_table(shapes), sha256=digest.upper()).candidates == ("sd1.5",)
    assert known_as(make_table(shapes), sha256="0" * 64).candidates == ("sd1.4", "sd1.5")


def test_only_a_digest_says_that_the_one_unet_is_the_ema_copy(
    make_table: Make, known_as: Known
) -> None:
    digest = next(key for key, item in known.RELEASES.items() if "emaonly" in item.name)
    shapes = _shapes("sd1", "ldm-unet", _PREFIX)
    assert known_as(make_table(shapes), sha256=digest).ema == "only"
    assert known_as(make_table(shapes)).ema == "none"


def test_trigger_words_come_from_the_author(make_table: Make, known_as: Known) -> None:
    said = {"modelspec.trigger_phrase": "red fox, forest", "modelspec.usage_hint": "red fox"}
    found = known_as(make_table({"emb_params": (1, 768)}, metadata=said))
    assert found.trigger_words == ("red fox", "forest")


def test_squeezed_vae_attention_is_normal(make_table: Make, known_as: Known) -> None:
    shapes = {
        name: shape[:2] if ".attn_1." in name and len(shape) == 4 else shape
        for name, shape in _shapes("vae-4ch", "ldm-vae", "").items()
    }
    assert known_as(make_table(shapes)).components["vae"].state is State.WHOLE


def test_one_layer_of_the_optional_end_demands_the_rest(make_table: Make, known_as: Known) -> None:
    shapes = _shapes("openclip-h", "open-clip", "cond_stage_model.model.")
    gone = "cond_stage_model.model.transformer.resblocks.23.ln_1.weight"
    del shapes[gone]
    assert known_as(make_table(shapes)).components["text_encoder"].missing == (gone,)
    early = {
        name: shape for name, shape in shapes.items()
        if ".23." not in name and not name.endswith(("logit_scale", "text_projection"))
    }  # fmt: skip
    assert known_as(make_table(early)).components["text_encoder"].state is State.WHOLE
