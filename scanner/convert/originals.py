"""From the names of a diffusers folder to those of a single file, as WebUI and ComfyUI load it.

The blueprints of both layouts come from one walk, so their names correspond in order. OpenCLIP
keeps query, key and value in one matrix, and its projection the other way round: such tensors
are put together from several, or turned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from scanner.convert import transformers
from scanner.convert.folders import COMPONENTS
from scanner.convert.options import Dropped
from scanner.convert.plan import Piece, Plan
from scanner.errors import Refused
from scanner.identify import matching
from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES, Architecture
from scanner.identify.matching import Part
from scanner.tensors import Tensor, TensorTable

_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
#: Base → (component → (what comes before its names, whether OpenCLIP's names are wanted)).
_ENCODERS = {
    "sd1": {"text_encoder": ("cond_stage_model.transformer.text_model.", False)},
    "sd1-mini": {"text_encoder": ("cond_stage_model.transformer.text_model.", False)},
    "sd2": {"text_encoder": ("cond_stage_model.model.", True)},
    "sdxl": {
        "text_encoder": ("conditioner.embedders.0.transformer.text_model.", False),
        "text_encoder_2": ("conditioner.embedders.1.model.", True),
    },
    "sdxl-refiner": {"text_encoder_2": ("conditioner.embedders.0.model.", True)},
}
#: Flux and SD3 have their encoders side by side, as transformers names them, by architecture.
_SIDE_BY_SIDE = {
    "clip-l": "text_encoders.clip_l.transformer.",
    "openclip-g": "text_encoders.clip_g.transformer.",
    "t5-xxl": "text_encoders.t5xxl.transformer.",
}
_TRANSFORMERS = ("sd3", "sd3.5-medium", "sd3.5-large", "flux")
#: What comes before a VAE's names, where it is not the usual prefix.
_VAES = {"flux": "vae."}
_LAYER = "encoder.layers."
#: transformers' name of a part of a layer → OpenCLIP's.
_INSIDE = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
}  # fmt: skip
_OUTSIDE = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


_DIFFUSION = tuple(f"{name}." for name in ("unet", "transformer"))
_FOLDERS = tuple(f"{name}." for name in COMPONENTS)
#: How the zip reader tells a second file of the same tensors apart: by its whole member name.
_SECOND = re.compile(
    r"(?:.*/)?(?P<folder>[^/]+)/[^/]+?\.(?:safetensors|bin|pth|pt|ckpt)\.(?P<inner>[^/]+)",
    re.DOTALL,
)


def is_folder(plan: Plan) -> bool:
    """Whether all names begin with a diffusers model's folders, the diffusion model's included."""
    names = [_first(piece.name) or piece.name for piece in plan.pieces]
    diffusion = any(name.startswith(_DIFFUSION) for name in names)
    return diffusion and all(name.startswith(_FOLDERS) for name in names)


def _first(name: str) -> str | None:
    """What a tensor of a second file in one folder is called in the first; None for others."""
    second = _SECOND.fullmatch(name)
    return f"{second['folder']}.{second['inner']}" if second else None


def _once(plan: Plan) -> Plan:
    """Without what is there a second time, in another form."""
    names = {piece.name for piece in plan.pieces}
    kept: list[Piece] = []
    dropped: list[Dropped] = []
    for piece in plan.pieces:
        if _first(piece.name) in names:
            dropped.append(Dropped(piece.name, "the same in another form"))
        else:
            kept.append(piece)
    return plan.keeping(kept, *dropped)


def single_file(plan: Plan) -> Plan:
    """The plan under a single file's names. ``Refused`` (``convert.layout``) for a base whose
    names in a single file are not known here, or where no diffusion model is among the parts."""
    plan = _once(plan)
    census = matching.census(TensorTable(tuple(_named(plan))))
    model = census.part("unet")
    base = model.architecture.bases[0] if model is not None else None
    if model is None or base not in (*_ENCODERS, *_TRANSFORMERS):
        raise Refused("convert.layout", f"a single file of this model has no known names: {base}")
    if model.missing or model.misshapen:
        wrong = (*model.missing, *model.misshapen)
        raise Refused("convert.layout", f"the diffusion model is not whole: {wrong[0]}")
    pieces = {piece.name: piece for piece in plan.pieces}
    renamed: list[Piece] = []
    for part in census.parts:
        renamed += _renamed(part, base, pieces)
    # What no part claims keeps its name: it is better told than lost.
    return plan.keeping([*renamed, *pieces.values()])


def _named(plan: Plan) -> Iterator[Tensor]:
    return (piece.tensor._replace(name=piece.name) for piece in plan.pieces)


def _renamed(part: Part, base: str, pieces: dict[str, Piece]) -> Iterator[Piece]:
    """The part's pieces under their new names, taken out of ``pieces``."""
    if part.component == "unet" and transformers.is_known(part.architecture.layout):
        local = _taken(part.prefix, pieces)
        yield from transformers.renamed(local, part.architecture.layout, _UNET)
    elif part.component in ("unet", "vae"):
        prefix = _UNET if part.component == "unet" else _VAES.get(base, _VAE)
        for name, original in _pairs(part.architecture):
            piece = pieces.pop(part.prefix + name, None)
            if piece is not None:
                yield _moved(piece, prefix + original, part.component)
    elif base in _TRANSFORMERS:
        prefix = _SIDE_BY_SIDE.get(part.architecture.name, "")
        # The projection stands beside what the architecture's names begin with.
        inner = "text_model." if part.architecture.layout == "clip" else ""
        own = part.prefix.removesuffix(inner)
        local = _taken(own, pieces) if prefix else {}
        for name, piece in local.items():
            flat = inner and part.prefix == own and not name.startswith("text_projection.")
            yield replace(piece, name=prefix + (inner if flat else "") + name)
    elif part.component in _ENCODERS[base]:
        prefix, opened = _ENCODERS[base][part.component]
        local = _taken(part.prefix, pieces)
        if opened:
            projection = part.prefix.removesuffix("text_model.") + "text_projection.weight"
            yield from open_clip(local, prefix, pieces.pop(projection, None))
        else:
            yield from (replace(piece, name=prefix + name) for name, piece in local.items())


def _taken(prefix: str, pieces: dict[str, Piece]) -> dict[str, Piece]:
    """The pieces below a prefix, by their local names, taken out of ``pieces``."""
    own = {name: pieces.pop(name) for name in list(pieces) if name.startswith(prefix)}
    return {name.removeprefix(prefix): piece for name, piece in own.items()}


def _pairs(architecture: Architecture) -> Iterator[tuple[str, str]]:
    """(name in the part's layout, name in the original one)."""
    layout = {"unet": "ldm-unet", "vae": "ldm-vae"}[architecture.component]
    rows = [ARCHITECTURES.index(architecture)]
    rows += [row for row in architectures.rows_of(layout)
             if ARCHITECTURES[row].name == architecture.name]  # fmt: skip
    here, there = (architectures.blueprint(row).shapes for row in rows)
    return zip(here, there, strict=True)


def _moved(piece: Piece, name: str, component: str) -> Piece:
    """Under its new name; a VAE's attention is 1×1 convolutions in the original layout."""
    shape = piece.shape
    if component == "vae" and ".attn_1." in name and len(shape) == 2:
        return _reshaped(replace(piece, name=name), (*shape, 1, 1))
    return replace(piece, name=name)


def _reshaped(piece: Piece, shape: tuple[int, ...]) -> Piece:
    stride = (*piece.tensor.stride, *(1 for _ in shape[len(piece.tensor.shape) :]))
    tensor = piece.tensor._replace(shape=shape, stride=stride)
    return replace(piece, tensor=tensor, shape=shape)


# -- OpenCLIP ------------------------------------------------------------------------------------


def open_clip(
    local: dict[str, Piece], prefix: str, projection: Piece | None = None
) -> Iterator[Piece]:
    """The text encoder that transformers names ``local`` (below ``text_model.``), in OpenCLIP's
    names below ``prefix``. It has no position ids."""
    local = {name: piece for name, piece in local.items() if not name.endswith("position_ids")}
    for name, opened in _OUTSIDE.items():
        if name in local:
            yield replace(local.pop(name), name=prefix + opened)
    if projection is not None:
        yield _turned(replace(projection, name=prefix + "text_projection"))
    for name, piece in local.items():
        number, _, inner = name.removeprefix(_LAYER).partition(".")
        layer = f"{prefix}transformer.resblocks.{number}."
        part, _, kind = inner.rpartition(".")
        if part in _INSIDE:
            yield replace(piece, name=f"{layer}{_INSIDE[part]}.{kind}")
        elif part == "self_attn.q_proj":
            yield _together(f"{layer}attn.in_proj_{kind}", local, name)


def _together(name: str, local: dict[str, Piece], query: str) -> Piece:
    """Query, key and value below each other."""
    rows = [local.get(query.replace("q_proj", f"{letter}_proj")) for letter in "qkv"]
    parts = tuple(piece for piece in rows if piece is not None)
    if len(parts) != len(rows):
        raise Refused("convert.layout", f"query, key and value do not fit together: {query}")
    return transformers.together(name, parts)


def _turned(piece: Piece) -> Piece:
    tensor = piece.tensor
    tensor = tensor._replace(shape=tensor.shape[::-1], stride=tensor.stride[::-1])
    return replace(piece, tensor=tensor, shape=tensor.shape)
