"""The autoencoders, as the reference code and as diffusers name them."""

from __future__ import annotations

from typing import NamedTuple

from scanner.identify.architectures.blueprint import Blueprint, Named, Shape, affine, conv


class VAE(NamedTuple):
    """``latent`` channels in the middle; ``quant`` says that 1×1 convolutions surround them."""

    channels: int
    mults: tuple[int, ...]
    latent: int
    quant: bool = True
    blocks: int = 2


class _Names(NamedTuple):
    """How a naming spells the parts of an autoencoder."""

    down: str
    up: str
    block: str
    shortcut: str
    shrink: str
    grow: str
    middle: tuple[str, str]
    attention: str
    #: norm, query, key, value, output
    inner: tuple[str, str, str, str, str]
    norm_out: str
    #: diffusers counts the way up from the middle, the reference code from the picture.
    from_middle: bool


_LDM = _Names("down", "up", "block", "nin_shortcut", "downsample.conv", "upsample.conv",
              ("mid.block_1", "mid.block_2"), "mid.attn_1", ("norm", "q", "k", "v", "proj_out"),
              "norm_out", False)  # fmt: skip
_DIFFUSERS = _Names("down_blocks", "up_blocks", "resnets", "conv_shortcut", "downsamplers.0.conv",
                    "upsamplers.0.conv", ("mid_block.resnets.0", "mid_block.resnets.1"),
                    "mid_block.attentions.0", ("group_norm", "to_q", "to_k", "to_v", "to_out.0"),
                    "conv_norm_out", True)  # fmt: skip
_DIFFUSERS_OLD = _Names(
    "down_blocks", "up_blocks", "resnets", "conv_shortcut", "downsamplers.0.conv",
    "upsamplers.0.conv", ("mid_block.resnets.0", "mid_block.resnets.1"), "mid_block.attentions.0",
    ("group_norm", "query", "key", "value", "proj_attn"), "conv_norm_out", True)  # fmt: skip

NAMINGS = {"ldm": _LDM, "diffusers": _DIFFUSERS, "diffusers-old": _DIFFUSERS_OLD}


def _res(name: str, inputs: int, outputs: int, names: _Names) -> Named:
    yield from affine(f"{name}.norm1", inputs)
    yield from conv(f"{name}.conv1", outputs, inputs)
    yield from affine(f"{name}.norm2", outputs)
    yield from conv(f"{name}.conv2", outputs, outputs)
    if inputs != outputs:
        yield from conv(f"{name}.{names.shortcut}", outputs, inputs, 1)


def _middle(half: str, width: int, names: _Names) -> Named:
    for block in names.middle:
        yield from _res(f"{half}.{block}", width, width, names)
    norm, *projections = names.inner
    yield from affine(f"{half}.{names.attention}.{norm}", width)
    for projection in projections:
        yield from conv(f"{half}.{names.attention}.{projection}", width, width, 1)


def _encoder(vae: VAE, names: _Names) -> Named:
    width = vae.channels
    yield from conv("encoder.conv_in", width, 3)
    for level, mult in enumerate(vae.mults):
        stage = f"encoder.{names.down}.{level}"
        for block in range(vae.blocks):
            outputs = vae.channels * mult
            yield from _res(f"{stage}.{names.block}.{block}", width, outputs, names)
            width = outputs
        if level + 1 < len(vae.mults):
            yield from conv(f"{stage}.{names.shrink}", width, width)
    yield from _middle("encoder", width, names)
    yield from affine(f"encoder.{names.norm_out}", width)
    yield from conv("encoder.conv_out", 2 * vae.latent, width)


def _decoder(vae: VAE, names: _Names) -> Named:
    width = vae.channels * vae.mults[-1]
    yield from conv("decoder.conv_in", width, vae.latent)
    yield from _middle("decoder", width, names)
    for level in reversed(range(len(vae.mults))):
        place = len(vae.mults) - 1 - level if names.from_middle else level
        stage = f"decoder.{names.up}.{place}"
        for block in range(vae.blocks + 1):
            outputs = vae.channels * vae.mults[level]
            yield from _res(f"{stage}.{names.block}.{block}", width, outputs, names)
            width = outputs
        if level:
            yield from conv(f"{stage}.{names.grow}", width, width)
    yield from affine(f"decoder.{names.norm_out}", width)
    yield from conv("decoder.conv_out", 3, width)


def blueprint(vae: VAE, naming: str) -> Blueprint:
    names = NAMINGS[naming]
    shapes: dict[str, Shape] = {**dict(_encoder(vae, names)), **dict(_decoder(vae, names))}
    if vae.quant:
        shapes.update(conv("quant_conv", 2 * vae.latent, 2 * vae.latent, 1))
        shapes.update(conv("post_quant_conv", vae.latent, vae.latent, 1))
    # The attention's 1×1 convolutions are linear layers in diffusers; loaders squeeze them.
    squeezed = {
        name: (shape[:2],)
        for name, shape in shapes.items()
        if f".{names.attention}." in name and len(shape) == 4
    }
    return Blueprint(shapes, alternatives=squeezed)
