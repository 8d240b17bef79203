"""The diffusion transformers of Stable Diffusion 3 and Flux."""

from __future__ import annotations

from typing import NamedTuple

from scanner.identify.architectures.blueprint import Blueprint, Named, Shape, linear


class MMDiT(NamedTuple):
    """``dual`` blocks have a second attention (SD3.5 medium); ``qk_norm`` came with 3.5."""

    depth: int
    grid: int
    qk_norm: bool = False
    dual: int = 0

    @property
    def width(self) -> int:
        return 64 * self.depth


def _attention(name: str, width: int, *, qk_norm: bool, output: bool = True) -> Named:
    yield from linear(f"{name}.qkv", 3 * width, width)
    if output:
        yield from linear(f"{name}.proj", width, width)
    if qk_norm:
        yield f"{name}.ln_q.weight", (64,)
        yield f"{name}.ln_k.weight", (64,)


def _joint_block(mmdit: MMDiT, index: int) -> Named:
    width, name = mmdit.width, f"joint_blocks.{index}"
    # The last block's context is not used again, so it has no output.
    last = index + 1 == mmdit.depth
    dual = index < mmdit.dual
    for side, whole in (("context_block", not last), ("x_block", True)):
        block = f"{name}.{side}"
        yield from _attention(f"{block}.attn", width, qk_norm=mmdit.qk_norm, output=whole)
        chunks = 9 if dual and side == "x_block" else 6 if whole else 2
        yield from linear(f"{block}.adaLN_modulation.1", chunks * width, width)
        if whole:
            yield from linear(f"{block}.mlp.fc1", 4 * width, width)
            yield from linear(f"{block}.mlp.fc2", width, 4 * width)
    if dual:
        yield from _attention(f"{name}.x_block.attn2", width, qk_norm=mmdit.qk_norm)


def mmdit(config: MMDiT) -> Blueprint:
    """Stability's naming."""
    width = config.width
    shapes: dict[str, Shape] = {
        "pos_embed": (1, config.grid**2, width),
        "x_embedder.proj.weight": (width, 16, 2, 2),
        "x_embedder.proj.bias": (width,),
        **dict(linear("t_embedder.mlp.0", width, 256)),
        **dict(linear("t_embedder.mlp.2", width, width)),
        **dict(linear("y_embedder.mlp.0", width, 2048)),
        **dict(linear("y_embedder.mlp.2", width, width)),
        **dict(linear("context_embedder", width, 4096)),
        **dict(linear("final_layer.linear", 64, width)),
        **dict(linear("final_layer.adaLN_modulation.1", 2 * width, width)),
    }
    for index in range(config.depth):
        shapes.update(_joint_block(config, index))
    return Blueprint(shapes)


def _mmdit_diffusers_block(config: MMDiT, index: int) -> Named:
    width, name = config.width, f"transformer_blocks.{index}"
    last, dual = index + 1 == config.depth, index < config.dual
    yield from linear(f"{name}.norm1.linear", (9 if dual else 6) * width, width)
    yield from linear(f"{name}.norm1_context.linear", (2 if last else 6) * width, width)
    for part in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0"):
        yield from linear(f"{name}.attn.{part}", width, width)
    if config.qk_norm:
        for part in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            yield f"{name}.attn.{part}.weight", (64,)
    yield from linear(f"{name}.ff.net.0.proj", 4 * width, width)
    yield from linear(f"{name}.ff.net.2", width, 4 * width)
    if not last:
        yield from linear(f"{name}.attn.to_add_out", width, width)
        yield from linear(f"{name}.ff_context.net.0.proj", 4 * width, width)
        yield from linear(f"{name}.ff_context.net.2", width, 4 * width)
    if dual:
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            yield from linear(f"{name}.attn2.{part}", width, width)
        for part in ("norm_q", "norm_k"):
            yield f"{name}.attn2.{part}.weight", (64,)


def mmdit_diffusers(config: MMDiT) -> Blueprint:
    """``SD3Transformer2DModel``."""
    width = config.width
    shapes: dict[str, Shape] = {
        "pos_embed.pos_embed": (1, config.grid**2, width),
        "pos_embed.proj.weight": (width, 16, 2, 2),
        "pos_embed.proj.bias": (width,),
        **dict(linear("time_text_embed.timestep_embedder.linear_1", width, 256)),
        **dict(linear("time_text_embed.timestep_embedder.linear_2", width, width)),
        **dict(linear("time_text_embed.text_embedder.linear_1", width, 2048)),
        **dict(linear("time_text_embed.text_embedder.linear_2", width, width)),
        **dict(linear("context_embedder", width, 4096)),
        **dict(linear("norm_out.linear", 2 * width, width)),
        **dict(linear("proj_out", 64, width)),
    }
    for index in range(config.depth):
        shapes.update(_mmdit_diffusers_block(config, index))
    return Blueprint(shapes)


class Flux(NamedTuple):
    """``guidance`` is dev; schnell is the same without it. ``inputs`` as for the UNets: packed
    latents, with a mask or a control picture beside them."""

    width: int = 3072
    double: int = 19
    single: int = 38
    head: int = 128
    guidance: bool = True
    inputs: tuple[int, ...] = (64, 384, 128)


def _double_block(config: Flux, index: int) -> Named:
    width = config.width
    for side in ("img", "txt"):
        name = f"double_blocks.{index}.{side}"
        yield f"{name}_attn.norm.query_norm.scale", (config.head,)
        yield f"{name}_attn.norm.key_norm.scale", (config.head,)
        yield from linear(f"{name}_attn.qkv", 3 * width, width)
        yield from linear(f"{name}_attn.proj", width, width)
        yield from linear(f"{name}_mlp.0", 4 * width, width)
        yield from linear(f"{name}_mlp.2", width, 4 * width)
        yield from linear(f"{name}_mod.lin", 6 * width, width)


def _single_block(config: Flux, index: int) -> Named:
    width, name = config.width, f"single_blocks.{index}"
    yield f"{name}.norm.query_norm.scale", (config.head,)
    yield f"{name}.norm.key_norm.scale", (config.head,)
    yield from linear(f"{name}.linear1", 7 * width, width)
    yield from linear(f"{name}.linear2", width, 5 * width)
    yield from linear(f"{name}.modulation.lin", 3 * width, width)


def flux(config: Flux) -> Blueprint:
    """Black Forest Labs' naming."""
    width = config.width
    shapes: dict[str, Shape] = {
        **dict(linear("img_in", width, config.inputs[0])),
        **dict(linear("txt_in", width, 4096)),
        **dict(linear("final_layer.linear", 64, width)),
        **dict(linear("final_layer.adaLN_modulation.1", 2 * width, width)),
    }
    embedders = {"time_in": 256, "vector_in": 768} | (
        {"guidance_in": 256} if config.guidance else {}
    )
    for name, inputs in embedders.items():
        shapes.update(linear(f"{name}.in_layer", width, inputs))
        shapes.update(linear(f"{name}.out_layer", width, width))
    for index in range(config.double):
        shapes.update(_double_block(config, index))
    for index in range(config.single):
        shapes.update(_single_block(config, index))
    others = tuple((width, count) for count in config.inputs[1:])
    return Blueprint(shapes, alternatives={"img_in.weight": others})


def _flux_diffusers_double(config: Flux, index: int) -> Named:
    width, name = config.width, f"transformer_blocks.{index}"
    for norm in ("norm1", "norm1_context"):
        yield from linear(f"{name}.{norm}.linear", 6 * width, width)
    for part in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
        yield f"{name}.attn.{part}.weight", (config.head,)
    for part in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0",
                 "to_add_out"):  # fmt: skip
        yield from linear(f"{name}.attn.{part}", width, width)
    for part in ("ff", "ff_context"):
        yield from linear(f"{name}.{part}.net.0.proj", 4 * width, width)
        yield from linear(f"{name}.{part}.net.2", width, 4 * width)


def _flux_diffusers_single(config: Flux, index: int) -> Named:
    width, name = config.width, f"single_transformer_blocks.{index}"
    yield from linear(f"{name}.norm.linear", 3 * width, width)
    yield from linear(f"{name}.proj_mlp", 4 * width, width)
    yield from linear(f"{name}.proj_out", width, 5 * width)
    for part in ("norm_q", "norm_k"):
        yield f"{name}.attn.{part}.weight", (config.head,)
    for part in ("to_q", "to_k", "to_v"):
        yield from linear(f"{name}.attn.{part}", width, width)


def flux_diffusers(config: Flux) -> Blueprint:
    """``FluxTransformer2DModel``."""
    width = config.width
    shapes: dict[str, Shape] = {
        **dict(linear("x_embedder", width, config.inputs[0])),
        **dict(linear("context_embedder", width, 4096)),
        **dict(linear("norm_out.linear", 2 * width, width)),
        **dict(linear("proj_out", 64, width)),
    }
    embedders = {"timestep_embedder": 256, "text_embedder": 768}
    embedders |= {"guidance_embedder": 256} if config.guidance else {}
    for name, inputs in embedders.items():
        shapes.update(linear(f"time_text_embed.{name}.linear_1", width, inputs))
        shapes.update(linear(f"time_text_embed.{name}.linear_2", width, width))
    for index in range(config.double):
        shapes.update(_flux_diffusers_double(config, index))
    for index in range(config.single):
        shapes.update(_flux_diffusers_single(config, index))
    others = tuple((width, count) for count in config.inputs[1:])
    return Blueprint(shapes, alternatives={"x_embedder.weight": others})
