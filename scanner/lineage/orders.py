"""The order in which a component's tensors are told, whatever its naming.

The reference code's names, diffusers' and an EMA copy's come from one walk over the blocks, so a
tensor's place in its blueprint is its name in all of them. open_clip stacks what transformers
keeps apart (query, key and value): there a place is a third of a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES, Architecture

#: Layouts whose blueprints name the same tensors in the same order as the first of their row.
_SAME_WALK = (
    ("ldm-unet", "diffusers-unet", "flat-unet"),
    ("ldm-vae", "diffusers-vae", "diffusers-old-vae"),
    ("clip", "open-clip"),
)
_FIRST: Mapping[str, str] = {layout: row[0] for row in _SAME_WALK for layout in row}
#: transformers' name of a part → open_clip's, and which third of it.
_OPEN_CLIP: tuple[tuple[str, str, int | None], ...] = (
    ("embeddings.token_embedding.weight", "token_embedding.weight", None),
    ("embeddings.position_embedding.weight", "positional_embedding", None),
    ("encoder.layers.", "transformer.resblocks.", None),
    ("self_attn.q_proj.", "attn.in_proj_", 0),
    ("self_attn.k_proj.", "attn.in_proj_", 1),
    ("self_attn.v_proj.", "attn.in_proj_", 2),
    ("self_attn.", "attn.", None),
    ("layer_norm1", "ln_1", None),
    ("layer_norm2", "ln_2", None),
    ("mlp.fc1", "mlp.c_fc", None),
    ("mlp.fc2", "mlp.c_proj", None),
    ("final_layer_norm", "ln_final", None),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One place of the order: ``count`` numbers of the tensor ``name`` (without a prefix), from
    the number ``start`` on. ``spare`` ones may be missing all together. ``fused`` places share
    their tensor with others."""

    name: str
    start: int
    count: int
    spare: bool = False
    fused: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """``name`` is alike for layouts that can be compared place by place."""

    name: str
    places: tuple[Place, ...]


def order(architecture: Architecture) -> Order:
    """The places of an architecture. What loaders do without (position ids, the scale of the
    logits) has none."""
    first = _FIRST.get(architecture.layout)
    if architecture.layout == "open-clip":
        return Order(architecture.name, tuple(_open_clip(architecture)))
    name = architecture.name if first else f"{architecture.name}/{architecture.layout}"
    return Order(name, tuple(_plain(architecture)))


def _plain(architecture: Architecture) -> Iterator[Place]:
    blueprint = architectures.blueprint(_row(architecture))
    for shapes, spare in ((blueprint.shapes, False), (blueprint.spare, True)):
        for name, shape in shapes.items():
            yield Place(name, 0, prod(shape), spare)


def _row(architecture: Architecture) -> int:
    return next(row for row, item in enumerate(ARCHITECTURES) if item is architecture)


def _open_clip(architecture: Architecture) -> Iterator[Place]:
    """transformers' order, in open_clip's names."""
    twin = next(
        item for item in ARCHITECTURES
        if (item.name, item.layout) == (architecture.name, "clip")
    )  # fmt: skip
    blueprint = architectures.blueprint(_row(architecture))
    for place in _plain(twin):
        name, third = _opened(place.name)
        start = 0 if third is None else third * place.count
        yield Place(name, start, place.count, name in blueprint.spare, third is not None)


def _opened(name: str) -> tuple[str, int | None]:
    """open_clip's name of a tensor, and the third of it that transformers means."""
    third: int | None = None
    for theirs, ours, part in _OPEN_CLIP:
        if theirs in name:
            name, third = name.replace(theirs, ours), third if part is None else part
    return name, third
