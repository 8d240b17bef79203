"""The UNets of Stable Diffusion 1, 2 and XL, as the reference code and as diffusers name them.

One walk over the blocks gives both namings, so they cannot drift apart. Source of the structure:
``openaimodel.UNetModel`` of CompVis and Stability, ``UNet2DConditionModel`` of diffusers.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from scanner.identify.architectures.blueprint import (
    Blueprint,
    Named,
    Shape,
    affine,
    conv,
    linear,
)


class Naming(StrEnum):
    LDM = "ldm"
    DIFFUSERS = "diffusers"


class UNet(NamedTuple):
    """Tuples hold one entry a level. ``depths`` is the number of transformer blocks after each
    ResNet block, 0 for none; ``inputs`` the input channels that exist, the plain one first."""

    channels: int
    mults: tuple[int, ...]
    depths: tuple[int, ...]
    #: None where a distilled model has no middle, -1 where only its first ResNet block is left.
    middle_depth: int | None
    context: int
    inputs: tuple[int, ...] = (4,)
    outputs: int = 4
    blocks: int = 2
    #: proj_in and proj_out are linear layers (SD2, SDXL), not 1×1 convolutions (SD1).
    linear: bool = True
    #: Width of the vector that label_emb embeds (SDXL's sizes, unclip's image embedding).
    vector: int | None = None
    #: Number of classes that label_emb looks up (the x4 upscaler's noise levels).
    classes: int | None = None
    #: Levels whose first attention looks at the prompt too.
    cross_only: tuple[int, ...] = ()
    #: Depths on the way up, one a ResNet block, where they are not those of the way down.
    up_depths: tuple[tuple[int, ...], ...] | None = None
    #: Width of the encoder whose output is projected to the prompt's width first.
    projected: int | None = None

    def rising(self, level: int, block: int) -> int:
        """Transformer blocks after a ResNet block of the way up."""
        return self.depths[level] if self.up_depths is None else self.up_depths[level][block]


class _Block(NamedTuple):
    """``kind`` is res, attn, down or up; ``ldm`` and ``diffusers`` its name in each naming."""

    kind: str
    ldm: str
    diffusers: str
    inputs: int = 0
    outputs: int = 0
    depth: int = 0
    cross_only: bool = False

    def name(self, naming: Naming) -> str:
        return self.ldm if naming is Naming.LDM else self.diffusers


def _down(unet: UNet) -> Iterator[_Block]:
    index, channels = 1, unet.channels
    for level, mult in enumerate(unet.mults):
        outputs = unet.channels * mult
        for block in range(unet.blocks):
            yield _Block("res", f"input_blocks.{index}.0", f"down_blocks.{level}.resnets.{block}",
                         channels, outputs)  # fmt: skip
            channels = outputs
            if unet.depths[level]:
                yield _Block("attn", f"input_blocks.{index}.1",
                             f"down_blocks.{level}.attentions.{block}", channels, channels,
                             unet.depths[level], level in unet.cross_only)  # fmt: skip
            index += 1
        if level + 1 < len(unet.mults):
            shrink = f"down_blocks.{level}.downsamplers.0.conv"
            yield _Block("conv", f"input_blocks.{index}.0.op", shrink, channels, channels)
            index += 1


def _middle(unet: UNet) -> Iterator[_Block]:
    if unet.middle_depth is None:
        return
    channels = unet.channels * unet.mults[-1]
    yield _Block("res", "middle_block.0", "mid_block.resnets.0", channels, channels)
    if unet.middle_depth < 0:
        return
    yield _Block("attn", "middle_block.1", "mid_block.attentions.0", channels, channels,
                 unet.middle_depth)  # fmt: skip
    yield _Block("res", "middle_block.2", "mid_block.resnets.1", channels, channels)


def _skips(unet: UNet) -> list[int]:
    """Channels that the way down hands to the way up, in the order they are made."""
    skips = [unet.channels]
    for level, mult in enumerate(unet.mults):
        last = level + 1 == len(unet.mults)
        skips += [unet.channels * mult] * (unet.blocks + (0 if last else 1))
    return skips


def _up(unet: UNet) -> Iterator[_Block]:
    skips = _skips(unet)
    index, channels = 0, unet.channels * unet.mults[-1]
    for rank, level in enumerate(reversed(range(len(unet.mults)))):
        outputs = unet.channels * unet.mults[level]
        for block in range(unet.blocks + 1):
            yield _Block("res", f"output_blocks.{index}.0", f"up_blocks.{rank}.resnets.{block}",
                         channels + skips.pop(), outputs)  # fmt: skip
            channels, depth = outputs, unet.rising(level, block)
            if depth:
                yield _Block("attn", f"output_blocks.{index}.1",
                             f"up_blocks.{rank}.attentions.{block}", channels, channels,
                             depth, level in unet.cross_only)  # fmt: skip
            if level and block == unet.blocks:
                slot = 2 if depth else 1
                yield _Block("conv", f"output_blocks.{index}.{slot}.conv",
                             f"up_blocks.{rank}.upsamplers.0.conv", channels, channels)  # fmt: skip
            index += 1


#: Parts of a ResNet block in the order: norm, conv, time embedding, norm, conv, skip.
_RES = {
    Naming.LDM: ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3",
                 "skip_connection"),
    Naming.DIFFUSERS: ("norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut"),
}  # fmt: skip


def _res(block: _Block, embedding: int, naming: Naming) -> Named:
    name = block.name(naming)
    norm_in, conv_in, time, norm_out, conv_out, skip = (f"{name}.{part}" for part in _RES[naming])
    yield from affine(norm_in, block.inputs)
    yield from conv(conv_in, block.outputs, block.inputs)
    yield from linear(time, block.outputs, embedding)
    yield from affine(norm_out, block.outputs)
    yield from conv(conv_out, block.outputs, block.outputs)
    if block.inputs != block.outputs:
        yield from conv(skip, block.outputs, block.inputs, 1)


def _attention(name: str, width: int, source: int) -> Named:
    yield from linear(f"{name}.to_q", width, width, bias=False)
    yield from linear(f"{name}.to_k", width, source, bias=False)
    yield from linear(f"{name}.to_v", width, source, bias=False)
    yield from linear(f"{name}.to_out.0", width, width)


def _transformer(block: _Block, unet: UNet, naming: Naming) -> Named:
    name, width = block.name(naming), block.outputs
    yield from affine(f"{name}.norm", width)
    for projection in ("proj_in", "proj_out"):
        if unet.linear:
            yield from linear(f"{name}.{projection}", width, width)
        else:
            yield from conv(f"{name}.{projection}", width, width, 1)
    for index in range(block.depth):
        inner = f"{name}.transformer_blocks.{index}"
        yield from _attention(f"{inner}.attn1", width, unet.context if block.cross_only else width)
        yield from _attention(f"{inner}.attn2", width, unet.context)
        yield from linear(f"{inner}.ff.net.0.proj", 8 * width, width)
        yield from linear(f"{inner}.ff.net.2", width, 4 * width)
        for norm in ("norm1", "norm2", "norm3"):
            yield from affine(f"{inner}.{norm}", width)


def _ends(unet: UNet, naming: Naming) -> Named:
    """Everything outside the blocks."""
    width, embedding = unet.channels, 4 * unet.channels
    ldm = naming is Naming.LDM
    yield from conv("input_blocks.0.0" if ldm else "conv_in", width, unet.inputs[0])
    yield from linear("time_embed.0" if ldm else "time_embedding.linear_1", embedding, width)
    yield from linear("time_embed.2" if ldm else "time_embedding.linear_2", embedding, embedding)
    if unet.vector is not None:
        first, second = _VECTOR[naming]
        yield from linear(first, embedding, unet.vector)
        yield from linear(second, embedding, embedding)
    if unet.projected is not None:
        yield from linear("encoder_hid_proj", unet.context, unet.projected)
    if unet.classes is not None:
        yield "label_emb.weight" if ldm else "class_embedding.weight", (unet.classes, embedding)
    yield from affine("out.0" if ldm else "conv_norm_out", width)
    yield from conv("out.2" if ldm else "conv_out", unet.outputs, width)


_VECTOR = {
    Naming.LDM: ("label_emb.0.0", "label_emb.0.2"),
    Naming.DIFFUSERS: ("add_embedding.linear_1", "add_embedding.linear_2"),
}


#: Where latent consistency models read the guidance scale.
_GUIDED = {
    Naming.LDM: "time_embed.cond_proj.weight",
    Naming.DIFFUSERS: "time_embedding.cond_proj.weight",
}


def first_convolution(naming: Naming) -> str:
    """The tensor whose input channels tell inpainting, pix2pix and depth apart."""
    return "input_blocks.0.0.weight" if naming is Naming.LDM else "conv_in.weight"


def telling(unet: UNet, naming: Naming) -> tuple[str, Shape]:
    """The first layer that reads the prompt: its name says the level, its shape both widths."""
    level = next(level for level, depth in enumerate(unet.depths) if depth)
    index = 1 + level * (unet.blocks + 1)
    place = (
        f"input_blocks.{index}.1" if naming is Naming.LDM else f"down_blocks.{level}.attentions.0"
    )
    name = f"{place}.transformer_blocks.0.attn2.to_k.weight"
    return name, (unet.channels * unet.mults[level], unet.context)


@cache
def blueprint(unet: UNet, naming: Naming) -> Blueprint:
    shapes = dict(_ends(unet, naming))
    for blocks in (_down(unet), _middle(unet), _up(unet)):
        for block in blocks:
            if block.kind == "res":
                shapes.update(_res(block, 4 * unet.channels, naming))
            elif block.kind == "attn":
                shapes.update(_transformer(block, unet, naming))
            else:
                shapes.update(conv(block.name(naming), block.outputs, block.inputs))
    first = first_convolution(naming)
    others = tuple((unet.channels, count, 3, 3) for count in unet.inputs[1:])
    guided = _GUIDED[naming], (unet.channels, 256)
    return Blueprint(shapes, dict([guided]), alternatives={first: others} if others else {})
