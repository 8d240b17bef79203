"""A place means the same tensor in every naming."""

from __future__ import annotations

import pytest

from scanner.identify.architectures.table import ARCHITECTURES, Architecture
from scanner.lineage.orders import Order, order

#: The reference code's name and diffusers', as published conversion scripts pair them.
_UNET = (
    ("input_blocks.0.0.weight", "conv_in.weight"),
    ("time_embed.2.bias", "time_embedding.linear_2.bias"),
    ("input_blocks.4.0.emb_layers.1.weight", "down_blocks.1.resnets.0.time_emb_proj.weight"),
    ("input_blocks.4.0.skip_connection.bias", "down_blocks.1.resnets.0.conv_shortcut.bias"),
    ("input_blocks.3.0.op.weight", "down_blocks.0.downsamplers.0.conv.weight"),
    (
        "input_blocks.5.1.transformer_blocks.0.attn2.to_v.weight",
        "down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_v.weight",
    ),
    ("middle_block.2.out_layers.3.weight", "mid_block.resnets.1.conv2.weight"),
    ("output_blocks.3.0.in_layers.2.weight", "up_blocks.1.resnets.0.conv1.weight"),
    ("output_blocks.2.1.conv.weight", "up_blocks.0.upsamplers.0.conv.weight"),
    ("output_blocks.5.2.conv.bias", "up_blocks.1.upsamplers.0.conv.bias"),
    ("output_blocks.11.1.proj_out.weight", "up_blocks.3.attentions.2.proj_out.weight"),
    ("out.2.bias", "conv_out.bias"),
)
_VAE = (
    (
        "encoder.down.1.block.0.nin_shortcut.weight",
        "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
    ),
    ("encoder.down.2.downsample.conv.bias", "encoder.down_blocks.2.downsamplers.0.conv.bias"),
    ("encoder.mid.attn_1.q.weight", "encoder.mid_block.attentions.0.to_q.weight"),
    ("decoder.mid.attn_1.proj_out.bias", "decoder.mid_block.attentions.0.to_out.0.bias"),
    # The reference code counts the decoder's levels from the picture, diffusers from the middle.
    ("decoder.up.0.block.2.conv1.weight", "decoder.up_blocks.3.resnets.2.conv1.weight"),
    ("decoder.up.3.upsample.conv.weight", "decoder.up_blocks.0.upsamplers.0.conv.weight"),
    ("quant_conv.weight", "quant_conv.weight"),
)


def _order(name: str, layout: str) -> Order:
    return order(_architecture(name, layout))


def _architecture(name: str, layout: str) -> Architecture:
    return next(item for item in ARCHITECTURES if (item.name, item.layout) == (name, layout))


def _at(told: Order) -> dict[str, int]:
    return {place.name: rank for rank, place in enumerate(told.places)}


@pytest.mark.parametrize(
    ("name", "layouts", "pairs"),
    [("sd1", ("ldm-unet", "diffusers-unet"), _UNET),
     ("sd1", ("ldm-unet", "flat-unet"), [(name, name.replace(".", "")) for name, _ in _UNET]),
     ("vae-4ch", ("ldm-vae", "diffusers-vae"), _VAE)],
)  # fmt: skip
def test_paired_names_share_a_place(
    name: str, layouts: tuple[str, str], pairs: tuple[tuple[str, str], ...]
) -> None:
    ours, theirs = (_order(name, layout) for layout in layouts)
    assert ours.name == theirs.name
    for mine, other in pairs:
        assert _at(ours)[mine] == _at(theirs)[other]


_SHARED = ("ldm-unet", "diffusers-unet", "flat-unet", "ldm-vae", "diffusers-vae",
           "diffusers-old-vae", "clip", "open-clip")  # fmt: skip


def test_orders_of_one_name_have_the_same_sizes() -> None:
    sizes: dict[tuple[str, str], list[int]] = {}
    for item in ARCHITECTURES:
        told = order(item)
        counts = [place.count for place in told.places]
        family = item.layout.split("-")[-1]
        assert sizes.setdefault((told.name, family), counts) == counts
        assert ("/" in told.name) is (item.layout not in _SHARED)


@pytest.mark.parametrize("name", ["openclip-h", "openclip-g"])
def test_open_clip_keeps_in_one_tensor_what_transformers_keeps_in_three(name: str) -> None:
    theirs, ours = _order(name, "clip"), _order(name, "open-clip")
    assert theirs.name == ours.name
    rank = _at(theirs)["encoder.layers.3.self_attn.v_proj.weight"]
    place = ours.places[rank]
    assert place.name == "transformer.resblocks.3.attn.in_proj_weight"
    assert (place.start, place.fused) == (2 * place.count, True)
    blueprint = _architecture(name, "open-clip").build()
    held = {**blueprint.shapes, **blueprint.spare}
    assert all(place.name in held for place in ours.places)
    # What only training or one of the two needs has no place.
    assert set(held) - {place.name for place in ours.places} <= {"text_projection", "logit_scale"}


def test_the_last_layer_of_openclip_h_is_spare() -> None:
    for layout in ("clip", "open-clip"):
        spare = {place.name for place in _order("openclip-h", layout).places if place.spare}
        assert spare and all(".23." in name for name in spare)
