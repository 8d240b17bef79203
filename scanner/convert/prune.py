"""Leave out what only training needs, and keep one copy of the UNet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scanner.convert.options import Dropped, Weights
from scanner.convert.plan import Piece, Plan

_RAW = "model."
_UNET = "model.diffusion_model."
_EMA = "model_ema."

#: Where trainers put what no picture needs, by the first key on the way to a tensor …
_TRAINING = frozenset({
    "optimizer", "optimizers", "optimizer_states", "optimizer_state_dict", "optim", "lr_schedulers",
    "lr_scheduler", "callbacks", "loops", "scaler", "grad_scaler", "amp_scaling_state",
    "native_amp_scaling_state", "random_states", "rng_state",
})  # fmt: skip
#: … or by the start of its name.
_LOSSES = ("loss.", "first_stage_model.loss.", "discriminator.")


def prune(plan: Plan, weights: Weights) -> Plan:
    """Without optimiser state, losses and the second UNet. The EMA values are the ones that stay,
    under the UNet's own names, where a full copy is there and ``weights`` wants it."""
    useful, dropped = _split(plan.pieces)
    by_name = {piece.name: piece for piece in useful}
    ema = {name: piece for name, piece in by_name.items() if name.startswith(_EMA)}
    pairs = _pairs(by_name, ema)
    unet = [name for name in by_name if name.startswith(_UNET)]
    full = bool(unet) and all(name in pairs for name in unet)
    used = "ema" if full and weights is Weights.EMA else "raw"
    if ema and not unet:
        # Nothing else holds a UNet: leave the only copy alone.
        return replace(plan.keeping(useful, *dropped), weights="ema")
    kept = [
        replace(pairs[name], name=name) if used == "ema" and name in pairs else piece
        for name, piece in by_name.items()
        if name not in ema
    ]
    dropped += [Dropped(name, _why(used, full)) for name in ema]
    return replace(plan.keeping(kept, *dropped), weights=used if unet else None)


def _why(used: str, full: bool) -> str:
    if used == "ema":
        return "the EMA copy: its values stand under the UNet's own names"
    return "the EMA copy" if full else "an EMA copy that is not whole"


def _split(pieces: Iterable[Piece]) -> tuple[list[Piece], list[Dropped]]:
    useful: list[Piece] = []
    dropped: list[Dropped] = []
    for piece in pieces:
        why = _training(piece)
        if why is None:
            useful.append(piece)
        else:
            dropped.append(Dropped(piece.name, why))
    return useful, dropped


def _training(piece: Piece) -> str | None:
    way = piece.tensor.path or (piece.name.split(".")[0],)
    if str(way[0]) in _TRAINING or piece.name.split(".")[0] in _TRAINING:
        return "training state"
    if piece.name.startswith(_LOSSES):
        return "part of a training loss"
    return None


def _pairs(by_name: dict[str, Piece], ema: dict[str, Piece]) -> dict[str, Piece]:
    """The EMA copy of each raw tensor. The trainer names copies without dots, for a buffer's name
    may have none: ``model.diffusion_model.out.0.weight`` → ``model_ema.diffusion_modelout0weight``.
    """
    pairs: dict[str, Piece] = {}
    for name, piece in by_name.items():
        if not name.startswith(_RAW):
            continue
        inner = name[len(_RAW) :]
        for candidate in (_EMA + inner.replace(".", ""), _EMA + inner):
            copy = ema.get(candidate)
            if copy is not None and copy.shape == piece.shape:
                pairs[name] = copy
    return pairs
