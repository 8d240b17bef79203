"""What a file is good for. The words follow from what is in it, not from what it is called."""

from __future__ import annotations

from scanner.report import Component, Identity, State

GENERATING = "generating"
FINE_TUNING = "fine-tuning"
MERGING = "merging"

#: Kinds that are used beside a model, as they are.
_BESIDE = frozenset({"vae", "embedding", "hypernetwork", "controlnet", "ip_adapter", "t2i_adapter"})
#: What arithmetic can be done in; fp8 and quantised blocks lose too much.
_PRECISE = frozenset({"fp32", "fp16", "bf16"})
#: Families whose publishers train with an EMA copy and publish both: there, one UNet alone is
#: usually the averaged one, which is for generating.
_AVERAGED = frozenset({"sd1", "sd2"})


def of(identity: Identity) -> tuple[str, ...]:
    """``generating``, ``fine-tuning``, ``merging``: those that the file as it is suits."""
    if identity.kind == "lora":
        return (GENERATING, MERGING)
    if identity.kind in _BESIDE:
        return () if _broken(identity) else (GENERATING,)
    if identity.kind not in ("checkpoint", "unet"):
        return ()
    model = _model(identity)
    if model is None or model.state is not State.WHOLE:
        return ()
    # With a broken encoder or VAE there is no picture; the UNet may still be worth merging.
    found = [] if _broken(identity) else [GENERATING]
    if model.precision in _PRECISE:
        if identity.ema == "full" or (identity.ema == "none" and identity.base not in _AVERAGED):
            found.append(FINE_TUNING)
        found.append(MERGING)
    return tuple(found)


def _model(identity: Identity) -> Component | None:
    unet = identity.components.get("unet")
    return unet if unet and unet.state is not State.ABSENT else identity.components.get("ema")


def _broken(identity: Identity) -> bool:
    return any(part.state is State.PARTIAL for part in identity.components.values())
