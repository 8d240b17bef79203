"""The architectures we know: one row each. To add one, see docs/identity.md.

Sizes are those of the released configurations (v1-inference.yaml, v2-inference.yaml,
sd_xl_base.yaml, x4-upscaling.yaml, sd3 and flux reference code).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import NamedTuple

from scanner.identify.architectures import depth, text, transformers, unet, vae
from scanner.identify.architectures.blueprint import Blueprint, Shape, flattened
from scanner.identify.architectures.text import Clip, Vision
from scanner.identify.architectures.transformers import Flux, MMDiT
from scanner.identify.architectures.unet import Naming, UNet
from scanner.identify.architectures.vae import VAE


class Architecture(NamedTuple):
    """One component in one layout. ``bases`` are the families it belongs to; more than one means
    that its keys cannot tell them apart. ``variants`` reads the input channels of ``input``;
    ``telling`` is a tensor that few others have alike, to try the likely ones first."""

    name: str
    component: str
    layout: str
    bases: tuple[str, ...]
    build: Callable[[], Blueprint]
    input: str | None = None
    variants: Mapping[int, str] = {}
    telling: tuple[str, Shape] | None = None


class Family(NamedTuple):
    """What a whole checkpoint of a base holds, and which releases share its keys. ``lenders`` are
    the bases whose encoders and VAE it uses."""

    components: tuple[str, ...]
    releases: tuple[str, ...]
    prediction: str | None
    lenders: tuple[str, ...] = ()


FAMILIES: Mapping[str, Family] = {
    "sd1": Family(("unet", "text_encoder", "vae"), ("sd1.4", "sd1.5"), "epsilon"),
    "sd1-mini": Family(("unet", "text_encoder", "vae"), (), "epsilon"),
    # Base and 768-v have the same keys: only a probe or a digest tells their prediction.
    "sd2": Family(("unet", "text_encoder", "vae"), ("sd2.0", "sd2.1"), None),
    "sdxl": Family(("unet", "text_encoder", "text_encoder_2", "vae"),
                   ("sdxl-1.0", "sdxl-turbo", "pony", "illustrious"), "epsilon"),
    "sdxl-refiner": Family(("unet", "text_encoder", "vae"), (), "epsilon", ("sdxl",)),
    **{name: Family(("unet", "text_encoder", "text_encoder_2", "vae"), (), "epsilon", ("sdxl",))
       for name in ("ssd-1b", "segmind-vega", "koala-700m", "koala-1b")},
    **{name: Family(("unet", "text_encoder", "vae"), (), "epsilon", ("sd1",))
       for name in ("small-sd", "tiny-sd")},
    "kolors": Family(("unet", "text_encoder", "vae"), (), "epsilon", ("sdxl",)),
    "sd-x4-upscaler": Family(("unet", "text_encoder", "vae"), (), "v", ("sd2",)),
    "sd3": Family(("unet", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"), (), "flow"),
    "sd3.5-medium": Family(
        ("unet", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"), (), "flow"),
    "sd3.5-large": Family(
        ("unet", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"), (), "flow"),
    "flux": Family(("unet", "text_encoder", "text_encoder_2", "vae"), (), "flow"),
    # Named for the parts of theirs that are described here.
    "flux2": Family(("unet", "text_encoder", "vae"), (), "flow"),
    "wan": Family(("unet", "text_encoder", "vae"), (), "flow"),
}  # fmt: skip

_INPUTS = {4: "text-to-image", 9: "inpaint", 8: "pix2pix", 5: "depth"}

_SD1 = UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 768, inputs=(4, 9, 8), linear=False)
_MINI = UNet(32, (1, 2, 2, 2), (1, 1, 1, 0), 1, 32, inputs=(4, 9, 8), linear=False)
_SD2 = UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 1024, inputs=(4, 9, 5))
_SD2_UNCLIP_H = UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 1024, vector=2048)
_SD2_UNCLIP_L = UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), 1, 1024, vector=1536)
_X4 = UNet(256, (1, 2, 2, 4), (0, 1, 1, 1), 1, 1024, inputs=(7,), classes=1000,
           cross_only=(0, 1, 2))  # fmt: skip
_SDXL = UNet(320, (1, 2, 4), (0, 2, 10), 10, 2048, inputs=(4, 9, 8), vector=2816)
_SSD = UNet(320, (1, 2, 4), (0, 2, 4), -1, 2048, vector=2816,
            up_depths=((0, 0, 0), (2, 1, 1), (4, 4, 10)))  # fmt: skip
_VEGA = UNet(320, (1, 2, 4), (0, 1, 2), -1, 2048, vector=2816,
             up_depths=((0, 0, 0), (1, 1, 1), (2, 2, 2)))  # fmt: skip
_KOALA_700M = UNet(320, (1, 2, 4), (0, 2, 5), None, 2048, blocks=1, vector=2816)
_KOALA_1B = UNet(320, (1, 2, 4), (0, 2, 6), 6, 2048, blocks=1, vector=2816)
_SMALL = UNet(320, (1, 2, 4, 4), (1, 1, 1, 0), None, 768, linear=False, blocks=1)
_TINY_SD = UNet(320, (1, 2, 4), (1, 1, 1), None, 768, linear=False, blocks=1)
_KOLORS = UNet(320, (1, 2, 4), (0, 2, 10), 10, 2048, inputs=(4, 9, 8), vector=5632, projected=4096)
_REFINER = UNet(384, (1, 2, 4, 4), (0, 4, 4, 0), 4, 1280, vector=2560)

#: (name, base, sizes, what every file of it is for, or None where the input channels say)
_UNETS: tuple[tuple[str, str, UNet, str | None], ...] = (
    ("sd1", "sd1", _SD1, None),
    ("sd1-mini", "sd1-mini", _MINI, None),
    ("sd2", "sd2", _SD2, None),
    ("sd2-unclip-h", "sd2", _SD2_UNCLIP_H, "unclip"),
    ("sd2-unclip-l", "sd2", _SD2_UNCLIP_L, "unclip"),
    ("sd-x4-upscaler", "sd-x4-upscaler", _X4, "upscale"),
    ("sdxl", "sdxl", _SDXL, None),
    ("sdxl-refiner", "sdxl-refiner", _REFINER, "refine"),
    # Distilled from SDXL and SD1, and Kolors with its own encoder: their adapters fit no other.
    ("ssd-1b", "ssd-1b", _SSD, None),
    ("segmind-vega", "segmind-vega", _VEGA, None),
    ("koala-700m", "koala-700m", _KOALA_700M, None),
    ("koala-1b", "koala-1b", _KOALA_1B, None),
    ("small-sd", "small-sd", _SMALL, None),
    ("tiny-sd", "tiny-sd", _TINY_SD, None),
    ("kolors", "kolors", _KOLORS, None),
)

_VAES: tuple[tuple[str, tuple[str, ...], VAE], ...] = (
    ("vae-4ch", ("sd1", "sd2", "sdxl", "sdxl-refiner"), VAE(128, (1, 2, 4, 4), 4)),
    ("vae-mini", ("sd1-mini",), VAE(32, (1, 1, 2, 2), 4)),
    ("vae-x4", ("sd-x4-upscaler",), VAE(128, (1, 2, 4), 4)),
    ("vae-16ch", ("sd3", "sd3.5-medium", "sd3.5-large", "flux"),
     VAE(128, (1, 2, 4, 4), 16, quant=False)),
    ("vae-32ch", ("flux2",), VAE(128, (1, 2, 4, 4), 32, quant=False)),
)  # fmt: skip

_L = Clip(768, 12, 3072)
_H = Clip(1024, 24, 4096, spare=1)
_G = Clip(1280, 32, 5120)
_TINY = Clip(32, 2, 128)
_SD3S = ("sd3", "sd3.5-medium", "sd3.5-large")

_TEXTS: tuple[tuple[str, tuple[str, ...], str, Callable[[], Blueprint]], ...] = (
    ("clip-l", ("sd1", "sdxl", *_SD3S, "flux"), "clip", partial(text.hf_clip, _L)),
    ("openclip-h", ("sd2",), "clip", partial(text.hf_clip, _H)),
    ("openclip-g", ("sdxl", *_SD3S), "clip", partial(text.hf_clip, _G)),
    ("clip-mini", ("sd1-mini",), "clip", partial(text.hf_clip, _TINY)),
    ("openclip-h", ("sd2",), "open-clip", partial(text.open_clip, _H)),
    ("openclip-g", ("sdxl",), "open-clip", partial(text.open_clip, _G)),
    ("t5-xxl", (*_SD3S, "flux"), "t5", partial(text.t5, 4096, 24, 10240, 64, 32128)),
    ("umt5-xxl", ("wan",), "t5", partial(text.umt5, 4096, 24, 10240, 64, 256384)),
)

_VISION_L = Vision(1024, 24, 4096, 14, 257, 768)
_VISION_H = Vision(1280, 32, 5120, 14, 257, 1024)
_VISION_G = Vision(1664, 48, 8192, 14, 257, 1280)

_SD3 = MMDiT(24, 192)
_SD35_MEDIUM = MMDiT(24, 384, qk_norm=True, dual=13)
_SD35_LARGE = MMDiT(38, 192, qk_norm=True)
_DEV = Flux()
_SCHNELL = Flux(guidance=False)
_FLUX_INPUTS = {64: "text-to-image", 384: "inpaint", 128: "control"}


def _unets() -> tuple[Architecture, ...]:
    rows: list[Architecture] = []
    for name, base, sizes, purpose in _UNETS:
        variants = {count: purpose or _INPUTS[count] for count in sizes.inputs}
        for naming in Naming:
            rows.append(Architecture(
                name, "unet", f"{naming.value}-unet", (base,),
                partial(unet.blueprint, sizes, naming), unet.first_convolution(naming), variants,
                unet.telling(sizes, naming),
            ))  # fmt: skip
        told, shape = unet.telling(sizes, Naming.LDM)
        rows.append(Architecture(
            name, "ema", "flat-unet", (base,),
            partial(_flat_unet, sizes), unet.first_convolution(Naming.LDM).replace(".", ""),
            variants, (told.replace(".", ""), shape),
        ))  # fmt: skip
    return tuple(rows)


def _flat_unet(sizes: UNet) -> Blueprint:
    return flattened(unet.blueprint(sizes, Naming.LDM))


def _transformers() -> tuple[Architecture, ...]:
    rows = [
        Architecture(name, "unet", layout, (name,), partial(build, sizes), first,
                     {16: "text-to-image"})
        for name, sizes in (("sd3", _SD3), ("sd3.5-medium", _SD35_MEDIUM),
                            ("sd3.5-large", _SD35_LARGE))
        for layout, build, first in (
            ("mmdit", transformers.mmdit, "x_embedder.proj.weight"),
            ("diffusers-mmdit", transformers.mmdit_diffusers, "pos_embed.proj.weight"))
    ]  # fmt: skip
    rows += [
        Architecture(name, "unet", layout, ("flux",), partial(build, sizes), first, _FLUX_INPUTS)
        for name, sizes in (("flux-dev", _DEV), ("flux-schnell", _SCHNELL))
        for layout, build, first in (
            ("flux", transformers.flux, "img_in.weight"),
            ("diffusers-flux", transformers.flux_diffusers, "x_embedder.weight"))
    ]  # fmt: skip
    return tuple(rows)


def _others() -> tuple[Architecture, ...]:
    rows = [
        Architecture(name, "vae", f"{naming}-vae", bases, partial(vae.blueprint, sizes, naming))
        for name, bases, sizes in _VAES
        for naming in vae.NAMINGS
    ]
    rows += [
        Architecture(name, "text_encoder", layout, bases, build)
        for name, bases, layout, build in _TEXTS
    ]
    rows += [
        Architecture(f"clip-vision-{size}", "image_encoder", "clip-vision", (),
                     partial(text.hf_vision, sizes))
        for size, sizes in (("l", _VISION_L), ("h", _VISION_H), ("g", _VISION_G))
    ]  # fmt: skip
    rows += [
        Architecture("openclip-h-both", "image_encoder", "open-vision", (),
                     partial(text.open_both, _VISION_H, Clip(1024, 24, 4096))),
        Architecture("openclip-h-vision", "image_encoder", "open-vision", (),
                     partial(text.open_vision, _VISION_H)),
        Architecture("clip-vision-l", "image_encoder", "open-vision", (),
                     partial(text.open_vision, _VISION_L)),
        Architecture("dpt-hybrid", "depth_model", "dpt", ("sd2",), depth.blueprint),
    ]  # fmt: skip
    return tuple(rows)


ARCHITECTURES: tuple[Architecture, ...] = (*_unets(), *_transformers(), *_others())

#: Names that give a layout away, wherever its prefix ends. Several, since any one may be missing.
ANCHORS: Mapping[str, tuple[str, ...]] = {
    "ldm-unet": ("input_blocks.0.0.weight", "input_blocks.0.0.bias", "time_embed.0.weight",
                 "time_embed.2.weight", "middle_block.0.in_layers.0.weight", "out.2.weight",
                 "output_blocks.0.0.in_layers.0.weight"),
    "diffusers-unet": ("conv_in.weight", "conv_in.bias", "time_embedding.linear_1.weight",
                       "time_embedding.linear_2.weight", "mid_block.resnets.0.conv1.weight",
                       "up_blocks.0.resnets.0.conv1.weight", "conv_out.weight"),
    "flat-unet": ("input_blocks00weight", "input_blocks00bias", "time_embed0weight",
                  "time_embed2weight", "middle_block0in_layers0weight",
                  "output_blocks00in_layers0weight"),
    "mmdit": ("x_embedder.proj.weight", "joint_blocks.0.x_block.attn.qkv.weight",
              "joint_blocks.1.x_block.attn.qkv.weight", "y_embedder.mlp.0.weight",
              "joint_blocks.0.context_block.attn.qkv.weight",
              "joint_blocks.2.x_block.attn.qkv.weight"),
    "diffusers-mmdit": ("pos_embed.proj.weight", "time_text_embed.text_embedder.linear_1.weight",
                        "transformer_blocks.0.attn.add_q_proj.weight"),
    "flux": ("img_in.weight", "double_blocks.0.img_attn.qkv.weight",
             "double_blocks.0.img_attn.proj.weight", "double_blocks.0.txt_attn.qkv.weight",
             "double_blocks.0.img_mlp.0.weight", "double_blocks.0.txt_mlp.0.weight",
             "double_blocks.1.img_attn.qkv.weight", "single_blocks.0.linear1.weight",
             "single_blocks.1.linear1.weight", "final_layer.linear.weight", "txt_in.weight"),
    "diffusers-flux": ("x_embedder.weight", "single_transformer_blocks.0.proj_mlp.weight",
                       "transformer_blocks.0.attn.add_q_proj.weight"),
    "ldm-vae": ("decoder.conv_in.weight", "encoder.conv_in.weight", "decoder.mid.attn_1.q.weight",
                "encoder.mid.attn_1.q.weight", "decoder.up.0.block.0.conv1.weight"),
    "diffusers-vae": ("decoder.conv_in.weight", "encoder.conv_in.weight",
                      "decoder.mid_block.attentions.0.to_q.weight",
                      "encoder.mid_block.attentions.0.to_q.weight"),
    "diffusers-old-vae": ("decoder.mid_block.attentions.0.query.weight",
                          "encoder.mid_block.attentions.0.query.weight",
                          "decoder.mid_block.attentions.0.key.weight"),
    "clip": ("embeddings.token_embedding.weight", "embeddings.position_embedding.weight",
             "encoder.layers.0.layer_norm1.weight", "encoder.layers.1.layer_norm1.weight",
             "final_layer_norm.weight"),
    "open-clip": ("token_embedding.weight", "positional_embedding", "ln_final.weight",
                  "transformer.resblocks.0.ln_1.weight", "transformer.resblocks.1.ln_1.weight"),
    "t5": ("shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight",
           "encoder.block.1.layer.0.SelfAttention.q.weight", "encoder.final_layer_norm.weight"),
    "clip-vision": ("embeddings.class_embedding", "embeddings.patch_embedding.weight",
                    "post_layernorm.weight"),
    "open-vision": ("visual.class_embedding", "visual.proj", "visual.conv1.weight"),
    "dpt": ("pretrained.model.cls_token", "pretrained.model.pos_embed",
            "scratch.output_conv.0.weight"),
}  # fmt: skip


@cache
def blueprint(row: int) -> Blueprint:
    """The blueprint of ``ARCHITECTURES[row]``, built when it is first asked for."""
    return ARCHITECTURES[row].build()


@cache
def rows_of(layout: str) -> tuple[int, ...]:
    return tuple(row for row, item in enumerate(ARCHITECTURES) if item.layout == layout)
