from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from scanner.report import Identity
from scanner.tensors import Tensor, TensorTable

Make = Callable[..., TensorTable]
Known = Callable[..., Identity]

_LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("names", "naming"),
    [
        ((f"{_LAYER}.lora_down.weight", f"{_LAYER}.lora_up.weight"), "kohya"),
        (("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora.down.weight",
          "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora.up.weight"),
         "diffusers"),
        (("unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight",
          "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up.weight"),
         "diffusers"),
        (("base_model.model.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
          "base_model.model.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight"),
         "peft"),
        (("diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.lora_A.weight",
          "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.lora_B.weight"),
         "bfl"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("width", "base"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl")])
def test_every_naming_tells_the_base_by_its_cross_attention(
    make_table: Make, known_as: Known, names: tuple[str, str], naming: str, width: int, base: str
) -> None:
    found = known_as(make_table({names[0]: (16, width), names[1]: (640, 16)}))
    assert (found.kind, found.base) == ("lora", base)
    assert found.adapter is not None
    assert (found.adapter.algorithm, found.adapter.naming) == ("lora", naming)
    assert found.adapter.ranks == {"16": 1}


@pytest.mark.parametrize(
    ("algorithm", "shapes"),
    [
        ("loha", {"hada_w1_a": (640, 8), "hada_w1_b": (8, 768), "hada_w2_a": (640, 8),
                  "hada_w2_b": (8, 768)}),
        ("lokr", {"lokr_w1": (8, 8), "lokr_w2_a": (80, 4), "lokr_w2_b": (4, 96)}),
        ("glora", {"a1.weight": (768, 8), "a2.weight": (8, 768), "b1.weight": (640, 8),
                   "b2.weight": (8, 640)}),
        ("full", {"diff": (640, 768)}),
        ("dora", {"lora_down.weight": (8, 768), "lora_up.weight": (640, 8),
                  "dora_scale": (1, 768)}),
    ],
)  # fmt: skip
def test_every_algorithm_tells_the_base(
    make_table: Make, known_as: Known, algorithm: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    found = known_as(make_table({f"{_LAYER}.{end}": shape for end, shape in shapes.items()}))
    assert found.base == "sd1"
    assert found.adapter is not None
    assert found.adapter.algorithm == algorithm
    assert found.adapter.dora is (algorithm == "dora")


def test_ia3_and_boft_are_told_by_their_endings(make_table: Make, known_as: Known) -> None:
    scaled = known_as(make_table({f"{_LAYER}.on_input": (), f"{_LAYER}.weight": (640,)}))
    assert scaled.adapter is not None
    assert scaled.adapter.algorithm == "ia3"
    turned = known_as(make_table({f"{_LAYER}.oft_blocks": (3, 80, 8, 8)}))
    assert turned.adapter is not None
    assert turned.adapter.algorithm == "boft"


def test_convolutions_make_it_a_locon(make_table: Make, known_as: Known) -> None:
    name = "lora_unet_down_blocks_0_resnets_0_conv1"
    shapes = {f"{name}.lora_down.weight": (8, 320, 3, 3), f"{name}.lora_up.weight": (320, 8, 1, 1)}
    adapter = known_as(make_table(shapes)).adapter
    assert adapter is not None
    assert adapter.algorithm == "locon"


def test_alpha_is_read_from_the_tensor(make_tensor: Callable[..., Tensor], known_as: Known) -> None:
    tensors = (
        make_tensor(f"{_LAYER}.lora_down.weight", (16, 768)),
        make_tensor(f"{_LAYER}.lora_up.weight", (640, 16)),
        make_tensor(f"{_LAYER}.alpha", (), "F16", struct.pack("<e", 4.0)),
    )
    adapter = known_as(TensorTable(tensors)).adapter
    assert adapter is not None
    assert adapter.alpha == 4.0


def test_output_widths_alone_leave_the_base_open(make_table: Make, known_as: Known) -> None:
    name = "oft_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    found = known_as(make_table({f"{name}.oft_blocks": (4, 80, 80), f"{name}.alpha": ()}))
    assert found.base is None
    assert found.candidates == ("sd1", "sd2")


def test_metadata_settles_what_keys_leave_open_and_no_more(
    make_table: Make, known_as: Known
) -> None:
    name = "oft_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    shapes = {f"{name}.oft_blocks": (4, 80, 80)}
    settled = known_as(make_table(shapes, metadata={"ss_base_model_version": "sd_v2_v"}))
    assert (settled.base, settled.conflicts) == ("sd2", ())
    denied = known_as(make_table(shapes, metadata={"ss_base_model_version": "sdxl_base_v1-0"}))
    assert denied.base is None
    assert "sdxl_base_v1-0" in denied.conflicts[0]


def test_shapes_win_over_lying_metadata(make_table: Make, known_as: Known) -> None:
    shapes = {f"{_LAYER}.lora_down.weight": (8, 768), f"{_LAYER}.lora_up.weight": (640, 8)}
    lie = {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}
    found = known_as(make_table(shapes, metadata=lie))
    assert found.base == "sd1"
    assert len(found.conflicts) == 1


def test_a_text_encoder_beside_the_unet_is_a_target(make_table: Make, known_as: Known) -> None:
    text = "lora_te_text_model_encoder_layers_0_self_attn_k_proj"
    shapes = {
        f"{layer}.{end}": shape
        for layer in (_LAYER, text)
        for end, shape in (("lora_down.weight", (8, 768)), ("lora_up.weight", (640, 8)))
    }
    adapter = known_as(make_table(shapes)).adapter
    assert adapter is not None
    assert adapter.targets == ("unet", "text_encoder")
