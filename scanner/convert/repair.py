"""Changes that are asked for by name: CLIP's position ids, another VAE."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

from scanner.convert.options import Dropped
from scanner.convert.plan import Piece, Plan
from scanner.errors import Refused

_VAE = "first_stage_model."
_FLUX_VAE = "vae."
_MODEL = "model.diffusion_model."
_LOSS = "loss."
#: What every VAE in the original layout has; a diffusers folder's has other names.
_MARKS = ("encoder.conv_in.weight", "decoder.conv_out.weight")
_POSITIONS = 77


def position_ids(plan: Plan) -> Plan:
    """CLIP's position ids written anew. They count from nought, and nothing else: merged and cast
    files have 75.98 among them, which a loader rounds to a wrong place."""
    return plan.keeping(_counted(piece) for piece in plan.pieces)


def _counted(piece: Piece) -> Piece:
    if not piece.name.endswith("position_ids") or piece.shape not in (
        (_POSITIONS,),
        (1, _POSITIONS),
    ):
        return piece
    values = struct.pack(f"<{_POSITIONS}q", *range(_POSITIONS))
    return replace(piece, dtype="I64", values=values)


def swap_vae(plan: Plan, vae: Iterable[Piece]) -> Plan:
    """The plan with ``vae`` in the place of its own. ``Refused`` when either is no fit."""
    if not any(piece.name.startswith(_MODEL) for piece in plan.pieces):
        raise Refused("convert.vae_base", "only a checkpoint's VAE can be changed")
    prefix = _vae_of(plan)
    new = {prefix + name: piece for name, piece in _stripped(vae)}
    if not all(prefix + mark in new for mark in _MARKS):
        raise Refused("convert.vae_layout", "the VAE is not in the original layout")
    old = {piece.name: piece for piece in plan.pieces if piece.name.startswith(prefix)}
    old = {name: piece for name, piece in old.items() if not name.startswith(prefix + _LOSS)}
    if old and {name: piece.shape for name, piece in old.items()} != {
        name: piece.shape for name, piece in new.items()
    }:
        raise Refused("convert.vae_shape", "the VAE has other tensors than the one it replaces")
    kept = [piece for piece in plan.pieces if not piece.name.startswith(prefix)]
    kept += [replace(piece, name=name) for name, piece in new.items()]
    dropped = (Dropped(name, "replaced by the other VAE") for name in old)
    return plan.keeping(kept, *dropped)


def _vae_of(plan: Plan) -> str:
    """What comes before the names of the model's VAE: Flux has another word for it."""
    names = [piece.name for piece in plan.pieces]
    if any(name.startswith(_VAE) for name in names):
        return _VAE
    flux = any(name.startswith((_FLUX_VAE, _MODEL + "double_blocks.")) for name in names)
    return _FLUX_VAE if flux else _VAE


def _stripped(vae: Iterable[Piece]) -> Iterable[tuple[str, Piece]]:
    """The VAE's own names, be it alone or in a checkpoint, without its training loss."""
    pieces = tuple(vae)
    prefixes = (_VAE, _FLUX_VAE)
    inside = next((found for found in prefixes
                   if any(piece.name.startswith(found) for piece in pieces)), "")  # fmt: skip
    for piece in pieces:
        if not piece.name.startswith(inside):
            continue
        name = piece.name.removeprefix(inside)
        if not name.startswith((_LOSS, "model_ema.")):
            yield name, piece
