"""From what a file is to how it can be shown, or why it cannot.

diffusers loads a file with missing parts without a word and fills them with noise; so what is
missing is found here, from the identity, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scanner.report import Component, Identity, State
from scanner.smoke.bases import BASES, Base
from scanner.smoke.outcome import Check, Outcome, Result, failed, named, skipped
from scanner.tensors import TensorTable


class Mode(StrEnum):
    """What a model starts from: noise alone, or a picture beside it."""

    TEXT = "text-to-image"
    INPAINT = "inpaint"
    PIX2PIX = "pix2pix"


@dataclass(frozen=True, slots=True)
class Generate:
    """A whole model: text in, picture out. ``prediction`` is None where the file cannot tell."""

    base_name: str
    mode: Mode
    prediction: str | None
    in_channels: int

    @property
    def base(self) -> Base:
        return BASES[self.base_name]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A VAE alone: encode the reference picture and decode it again."""

    base_name: str

    @property
    def base(self) -> Base:
        return BASES[self.base_name]


Plan = Generate | RoundTrip

_CHANNELS: Mapping[Mode, int] = {Mode.TEXT: 4, Mode.INPAINT: 9, Mode.PIX2PIX: 8}
_ADD_ONS: Mapping[str, str] = {
    "lora": "a LoRA",
    "embedding": "an embedding",
    "hypernetwork": "a hypernetwork",
    "controlnet": "a ControlNet",
    "ip_adapter": "an IP-Adapter",
    "t2i_adapter": "a T2I-Adapter",
    "unet": "a UNet",
    "text_encoder": "a text encoder",
}
#: VAEs with four channels have the same shapes for SD1, SD2 and SDXL; SD1 stands for them all.
_VAES: Mapping[str, str] = {"vae-4ch": "sd1", "vae-mini": "sd1-mini"}
_PARTS: Mapping[str, str] = {
    "unet": "UNet",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
    "vae": "VAE",
}
#: The tensor by which diffusers tells each part's layout; without it a part is stored in a way
#: that it cannot load from a single file.
_LAYOUT: Mapping[str, tuple[str, ...]] = {
    "unet": ("model.diffusion_model.input_blocks.0.0.weight",),
    "vae": ("first_stage_model.encoder.conv_in.weight",),
    "text_encoder": (
        "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
        "cond_stage_model.transformer.embeddings.position_embedding.weight",
        "cond_stage_model.model.token_embedding.weight",
        "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight",
    ),
    "text_encoder_2": ("conditioner.embedders.1.model.positional_embedding",),
}


def plan(identity: Identity, table: TensorTable) -> Plan | Result:
    """How to show the model; a skipped or failed Result where that is decided already."""
    if identity.kind == "vae":
        return _vae(identity)
    if identity.kind in _ADD_ONS:
        return skipped(
            "smoke.needs_base", f"{_ADD_ONS[identity.kind]} needs a base model to be shown on"
        )
    if identity.kind != "checkpoint":
        return skipped("smoke.kind", f"there is no picture to make with {_kind(identity.kind)}")
    base = identity.base or "unknown"
    if base not in BASES:
        return skipped("smoke.base", f"models of base {base} cannot be run here yet")
    return _checkpoint(identity, base, table)


def _kind(kind: str) -> str:
    return "a file of unknown kind" if kind == "unknown" else f"a file of kind {kind}"


def _vae(identity: Identity) -> Plan | Result:
    broken = _incomplete(identity.components)
    if broken:
        return broken
    part = identity.components.get("vae")
    arch = (part.arch if part else None) or "unknown"
    if arch not in _VAES:
        return skipped("smoke.base", f"VAEs of the kind {arch} cannot be run here yet")
    return RoundTrip(_VAES[arch])


def _checkpoint(identity: Identity, base_name: str, table: TensorTable) -> Plan | Result:
    broken = _incomplete(identity.components)
    if broken:
        return broken
    parts = ("unet", *BASES[base_name].text_encoders, "vae")
    absent = [name for name in parts if _state(identity, name) is State.ABSENT]
    if absent:
        names = " and no ".join(_PARTS[name] for name in absent)
        return skipped(
            "smoke.needs_parts", f"the file holds no {names}; a base model would have to lend it"
        )
    try:
        mode = Mode(identity.variant or Mode.TEXT)
    except ValueError:
        return skipped("smoke.variant", f"the variant {identity.variant} cannot be run here yet")
    names_held = {tensor.name for tensor in table}
    for name in parts:
        if names_held.isdisjoint(_LAYOUT[name]):
            return skipped(
                "smoke.layout", f"the {_PARTS[name]} is stored in a layout that cannot be run yet"
            )
    return Generate(base_name, mode, identity.prediction, _CHANNELS[mode])


def _state(identity: Identity, name: str) -> State:
    part = identity.components.get(name)
    return part.state if part else State.ABSENT


def _incomplete(components: Mapping[str, Component]) -> Result | None:
    checks = tuple(
        _incomplete_check(name, components[name])
        for name in _PARTS
        if name in components and components[name].state is State.PARTIAL
    )
    if not checks:
        return None
    return failed("smoke.incomplete", " ".join(check.message for check in checks), checks)


def _incomplete_check(name: str, part: Component) -> Check:
    lost = (*part.missing, *part.misshapen)
    words = [
        f"{len(names)} {word} ({named(names)})"
        for names, word in ((part.missing, "missing"), (part.misshapen, "misshapen"))
        if names
    ]
    return Check(
        "complete",
        Outcome.FAILED,
        f"The {_PARTS[name]} is not whole: {'; '.join(words) or 'tensors are missing'}.",
        float(len(lost)),
        0.0,
    )
