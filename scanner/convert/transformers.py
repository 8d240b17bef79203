"""The diffusion transformers of SD3 and Flux, from diffusers' names to those of a single file.

Query, key and value are one matrix there (in Flux's single blocks with the first layer of the MLP
below them), and the last modulation has shift before scale, which diffusers has the other way
round.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from scanner.convert.plan import Piece
from scanner.errors import Refused


class _Place(NamedTuple):
    """Where a layer goes: its name in the single file; which of several below each other it is,
    of how many; whether its two halves change places."""

    name: str
    number: int = 0
    of: int = 1
    turned: bool = False


def _fused(name: str, *layers: str) -> dict[str, _Place]:
    return {layer: _Place(name, at, len(layers)) for at, layer in enumerate(layers)}


_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

_SD3 = {
    "pos_embed.pos_embed": _Place("pos_embed"),
    "pos_embed.proj": _Place("x_embedder.proj"),
    "time_text_embed.timestep_embedder.linear_1": _Place("t_embedder.mlp.0"),
    "time_text_embed.timestep_embedder.linear_2": _Place("t_embedder.mlp.2"),
    "time_text_embed.text_embedder.linear_1": _Place("y_embedder.mlp.0"),
    "time_text_embed.text_embedder.linear_2": _Place("y_embedder.mlp.2"),
    "context_embedder": _Place("context_embedder"),
    "norm_out.linear": _Place("final_layer.adaLN_modulation.1", turned=True),
    "proj_out": _Place("final_layer.linear"),
}
_SD3_BLOCK = {
    **_fused("x_block.attn.qkv", *_QKV),
    **_fused("context_block.attn.qkv", *_ADDED),
    **_fused("x_block.attn2.qkv", "attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "norm1.linear": _Place("x_block.adaLN_modulation.1"),
    "norm1_context.linear": _Place("context_block.adaLN_modulation.1"),
    "attn.norm_q": _Place("x_block.attn.ln_q"),
    "attn.norm_k": _Place("x_block.attn.ln_k"),
    "attn.norm_added_q": _Place("context_block.attn.ln_q"),
    "attn.norm_added_k": _Place("context_block.attn.ln_k"),
    "attn.to_out.0": _Place("x_block.attn.proj"),
    "attn.to_add_out": _Place("context_block.attn.proj"),
    "attn2.norm_q": _Place("x_block.attn2.ln_q"),
    "attn2.norm_k": _Place("x_block.attn2.ln_k"),
    "attn2.to_out.0": _Place("x_block.attn2.proj"),
    "ff.net.0.proj": _Place("x_block.mlp.fc1"),
    "ff.net.2": _Place("x_block.mlp.fc2"),
    "ff_context.net.0.proj": _Place("context_block.mlp.fc1"),
    "ff_context.net.2": _Place("context_block.mlp.fc2"),
}
#: The last block's context is not used again: its modulation is shift and scale alone.
_LAST = {"norm1_context.linear": _Place("context_block.adaLN_modulation.1", turned=True)}

_FLUX = {
    "x_embedder": _Place("img_in"),
    "context_embedder": _Place("txt_in"),
    "time_text_embed.timestep_embedder.linear_1": _Place("time_in.in_layer"),
    "time_text_embed.timestep_embedder.linear_2": _Place("time_in.out_layer"),
    "time_text_embed.text_embedder.linear_1": _Place("vector_in.in_layer"),
    "time_text_embed.text_embedder.linear_2": _Place("vector_in.out_layer"),
    "time_text_embed.guidance_embedder.linear_1": _Place("guidance_in.in_layer"),
    "time_text_embed.guidance_embedder.linear_2": _Place("guidance_in.out_layer"),
    "norm_out.linear": _Place("final_layer.adaLN_modulation.1", turned=True),
    "proj_out": _Place("final_layer.linear"),
}
_FLUX_DOUBLE = {
    **_fused("img_attn.qkv", *_QKV),
    **_fused("txt_attn.qkv", *_ADDED),
    "norm1.linear": _Place("img_mod.lin"),
    "norm1_context.linear": _Place("txt_mod.lin"),
    "attn.norm_q": _Place("img_attn.norm.query_norm"),
    "attn.norm_k": _Place("img_attn.norm.key_norm"),
    "attn.norm_added_q": _Place("txt_attn.norm.query_norm"),
    "attn.norm_added_k": _Place("txt_attn.norm.key_norm"),
    "attn.to_out.0": _Place("img_attn.proj"),
    "attn.to_add_out": _Place("txt_attn.proj"),
    "ff.net.0.proj": _Place("img_mlp.0"),
    "ff.net.2": _Place("img_mlp.2"),
    "ff_context.net.0.proj": _Place("txt_mlp.0"),
    "ff_context.net.2": _Place("txt_mlp.2"),
}
_FLUX_SINGLE = {
    **_fused("linear1", *_QKV, "proj_mlp"),
    "norm.linear": _Place("modulation.lin"),
    "attn.norm_q": _Place("norm.query_norm"),
    "attn.norm_k": _Place("norm.key_norm"),
    "proj_out": _Place("linear2"),
}


class _Layout(NamedTuple):
    """What the blocks are called here and there, and what becomes of the layers in them."""

    layers: Mapping[str, _Place]
    blocks: Mapping[str, tuple[str, Mapping[str, _Place]]]
    last: Mapping[str, _Place] = {}


#: The layout that diffusers has → how its tensors go into a single file.
_LAYOUTS = {
    "diffusers-mmdit": _Layout(_SD3, {"transformer_blocks": ("joint_blocks", _SD3_BLOCK)}, _LAST),
    "diffusers-flux": _Layout(
        _FLUX,
        {
            "transformer_blocks": ("double_blocks", _FLUX_DOUBLE),
            "single_transformer_blocks": ("single_blocks", _FLUX_SINGLE),
        },
    ),
}
_BLOCK = re.compile(r"(?P<blocks>\w*transformer_blocks)\.(?P<number>\d+)\.(?P<layer>.+)")
#: The tables name layers; these are tensors' own names.
_KINDS = ("weight", "bias")


def is_known(layout: str) -> bool:
    return layout in _LAYOUTS


def renamed(pieces: Mapping[str, Piece], layout: str, prefix: str) -> Iterator[Piece]:
    """The transformer's tensors, by their names in diffusers' ``layout``, under a single file's
    names below ``prefix``. ``Refused`` (``convert.layout``) for a name that has no place there,
    and where parts of one matrix are missing."""
    known = _LAYOUTS[layout]
    last = _last(pieces)
    places: dict[str, dict[int, tuple[_Place, Piece]]] = defaultdict(dict)
    for name, piece in pieces.items():
        layer, kind = _split(name)
        place = _place(layer, known, last)
        if place is None:
            raise Refused("convert.layout", f"it has no place in a single file: {name}")
        if layout == "diffusers-flux" and place.name.endswith("_norm"):
            kind = ".scale"
        places[prefix + place.name + kind][place.number] = place, piece
    for name, held in places.items():
        yield _made(name, held)


def _split(name: str) -> tuple[str, str]:
    """A layer, and which of its tensors: ``("proj_out", ".bias")``."""
    layer, _, kind = name.rpartition(".")
    return (layer, f".{kind}") if kind in _KINDS else (name, "")


def _last(pieces: Mapping[str, Piece]) -> int:
    numbers = (_BLOCK.fullmatch(name) for name in pieces)
    return max((int(found["number"]) for found in numbers
                if found and found["blocks"] == "transformer_blocks"), default=-1)  # fmt: skip


def _place(layer: str, known: _Layout, last: int) -> _Place | None:
    found = _BLOCK.fullmatch(layer)
    if found is None:
        return known.layers.get(layer)
    if found["blocks"] not in known.blocks:
        return None
    blocks, layers = known.blocks[found["blocks"]]
    if int(found["number"]) == last:
        layers = {**layers, **known.last}
    place = layers.get(found["layer"])
    return place and place._replace(name=f"{blocks}.{found['number']}.{place.name}")


def _made(name: str, held: Mapping[int, tuple[_Place, Piece]]) -> Piece:
    place, first = next(iter(held.values()))
    if place.turned:
        return _turned(name, first)
    if place.of == 1:
        return replace(first, name=name)
    if held.keys() != set(range(place.of)):
        raise Refused("convert.layout", f"of {name}, {place.of - len(held)} parts are missing")
    return together(name, tuple(held[number][1] for number in range(place.of)))


def together(name: str, parts: tuple[Piece, ...]) -> Piece:
    """One piece of several below each other. ``Refused`` where they do not fit."""
    first = parts[0]
    if len({(part.dtype, part.shape[1:]) for part in parts}) != 1:
        raise Refused("convert.layout", f"the parts of {name} do not fit together")
    rows = sum(part.shape[0] for part in parts)
    return replace(first, name=name, shape=(rows, *first.shape[1:]), parts=parts)


def _turned(name: str, piece: Piece) -> Piece:
    """The second half before the first."""
    rows = piece.shape[0] // 2
    if piece.parts or 2 * rows != piece.shape[0]:
        raise Refused("convert.layout", f"there are no two halves of {name}")
    tensor = piece.tensor
    halves = []
    for start in (rows, 0):
        offset = tensor.offset + start * tensor.stride[0]
        shape = (rows, *piece.shape[1:])
        halves.append(
            replace(piece, tensor=tensor._replace(shape=shape, offset=offset), shape=shape)
        )
    return together(name, tuple(halves))
