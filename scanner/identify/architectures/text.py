"""Text and image encoders: CLIP as transformers and as open_clip name it, T5, and vision towers."""

from __future__ import annotations

from typing import NamedTuple

from scanner.identify.architectures.blueprint import Blueprint, Named, Shape, affine, linear

_VOCABULARY = 49408
_POSITIONS = 77


class Clip(NamedTuple):
    """``spare`` layers at the end may be missing: SD2 stops one layer early."""

    width: int
    layers: int
    hidden: int
    spare: int = 0


class Vision(NamedTuple):
    width: int
    layers: int
    hidden: int
    patch: int
    tokens: int
    projection: int


def _hf_layer(name: str, width: int, hidden: int) -> Named:
    for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
        yield from linear(f"{name}.self_attn.{part}", width, width)
    yield from affine(f"{name}.layer_norm1", width)
    yield from affine(f"{name}.layer_norm2", width)
    yield from linear(f"{name}.mlp.fc1", hidden, width)
    yield from linear(f"{name}.mlp.fc2", width, hidden)


def hf_clip(clip: Clip) -> Blueprint:
    """Below ``text_model.`` in transformers; NovelAI's files lack that word."""
    shapes: dict[str, Shape] = {
        "embeddings.token_embedding.weight": (_VOCABULARY, clip.width),
        "embeddings.position_embedding.weight": (_POSITIONS, clip.width),
        **dict(affine("final_layer_norm", clip.width)),
    }
    spare: dict[str, Shape] = {}
    for index in range(clip.layers):
        layer = _hf_layer(f"encoder.layers.{index}", clip.width, clip.hidden)
        (spare if index >= clip.layers - clip.spare else shapes).update(layer)
    return Blueprint(
        shapes,
        {"embeddings.position_ids": (1, _POSITIONS)},
        spare,
        {"embeddings.position_ids": ((_POSITIONS,),)},
    )


def _open_layer(name: str, width: int, hidden: int) -> Named:
    yield f"{name}.attn.in_proj_weight", (3 * width, width)
    yield f"{name}.attn.in_proj_bias", (3 * width,)
    yield from linear(f"{name}.attn.out_proj", width, width)
    yield from affine(f"{name}.ln_1", width)
    yield from affine(f"{name}.ln_2", width)
    yield from linear(f"{name}.mlp.c_fc", hidden, width)
    yield from linear(f"{name}.mlp.c_proj", width, hidden)


def open_clip(clip: Clip) -> Blueprint:
    """open_clip's text tower."""
    ends: dict[str, Shape] = {"logit_scale": (), "text_projection": (clip.width, clip.width)}
    shapes: dict[str, Shape] = {
        "token_embedding.weight": (_VOCABULARY, clip.width),
        "positional_embedding": (_POSITIONS, clip.width),
        **dict(affine("ln_final", clip.width)),
    }
    # Trainers that stop one layer early drop the last layer and both ends.
    spare = dict(ends) if clip.spare else {}
    for index in range(clip.layers):
        layer = _open_layer(f"transformer.resblocks.{index}", clip.width, clip.hidden)
        (spare if index >= clip.layers - clip.spare else shapes).update(layer)
    if clip.spare:
        return Blueprint(shapes, spare=spare)
    # Only training needs the scale of the logits; SDXL does use the projection.
    return Blueprint(shapes | {"text_projection": ends["text_projection"]}, {"logit_scale": ()})


def open_vision(vision: Vision) -> Blueprint:
    """open_clip's image tower."""
    width = vision.width
    shapes: dict[str, Shape] = {
        "visual.class_embedding": (width,),
        "visual.positional_embedding": (vision.tokens, width),
        "visual.proj": (width, vision.projection),
        "visual.conv1.weight": (width, 3, vision.patch, vision.patch),
        **dict(affine("visual.ln_pre", width)),
        **dict(affine("visual.ln_post", width)),
    }
    for index in range(vision.layers):
        shapes.update(_open_layer(f"visual.transformer.resblocks.{index}", width, vision.hidden))
    return Blueprint(shapes)


def open_both(vision: Vision, text: Clip) -> Blueprint:
    """open_clip's two towers in one module, as the unclip model's image embedder."""
    lower, upper = open_clip(text), open_vision(vision)
    return Blueprint({**upper.shapes, **lower.shapes, **lower.optional, **lower.spare})


def hf_vision(vision: Vision) -> Blueprint:
    """Below ``vision_model.`` in transformers."""
    width = vision.width
    shapes: dict[str, Shape] = {
        "embeddings.class_embedding": (width,),
        "embeddings.patch_embedding.weight": (width, 3, vision.patch, vision.patch),
        "embeddings.position_embedding.weight": (vision.tokens, width),
        # Sic: the typing error is in transformers.
        **dict(affine("pre_layrnorm", width)),
        **dict(affine("post_layernorm", width)),
    }
    for index in range(vision.layers):
        shapes.update(_hf_layer(f"encoder.layers.{index}", width, vision.hidden))
    return Blueprint(shapes, {"embeddings.position_ids": (1, vision.tokens)})


def t5(width: int, layers: int, hidden: int, heads: int, vocabulary: int) -> Blueprint:
    """The encoder of T5 1.1."""
    shapes: dict[str, Shape] = {"shared.weight": (vocabulary, width)}
    for index in range(layers):
        block = f"encoder.block.{index}"
        for part in ("q", "k", "v", "o"):
            shapes[f"{block}.layer.0.SelfAttention.{part}.weight"] = (width, width)
        for part in ("wi_0", "wi_1"):
            shapes[f"{block}.layer.1.DenseReluDense.{part}.weight"] = (hidden, width)
        shapes[f"{block}.layer.1.DenseReluDense.wo.weight"] = (width, hidden)
        shapes[f"{block}.layer.0.layer_norm.weight"] = (width,)
        shapes[f"{block}.layer.1.layer_norm.weight"] = (width,)
    shapes["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, heads)
    shapes["encoder.final_layer_norm.weight"] = (width,)
    return Blueprint(shapes, {"encoder.embed_tokens.weight": (vocabulary, width)})


def umt5(width: int, layers: int, hidden: int, heads: int, vocabulary: int) -> Blueprint:
    """T5's multilingual sister: every block has its own position bias."""
    plain = t5(width, layers, hidden, heads, vocabulary)
    biases: dict[str, Shape] = {
        f"encoder.block.{index}.layer.0.SelfAttention.relative_attention_bias.weight": (32, heads)
        for index in range(layers)
    }
    return Blueprint({**plain.shapes, **biases}, plain.optional)
