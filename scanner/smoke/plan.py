"""From what a file is to how it can be shown, or why it cannot.

diffusers loads a file with missing parts without a word and fills them with noise; so what is
missing is found here, from the identity, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scanner.convert.addons import ANY
from scanner.identify.metadata import suggested_tags, trigger_words
from scanner.report import Component, Identity, State
from scanner.smoke.bases import BASES, Base
from scanner.smoke.outcome import Check, Needs, Outcome, Result, failed, named, skipped
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
    """A VAE alone: encode the reference picture and decode it again. ``on`` is a base model whose
    own VAE it is compared with."""

    base_name: str
    on: Generate | None = None

    @property
    def base(self) -> Base:
        return BASES[self.base_name]


@dataclass(frozen=True, slots=True)
class AddOn:
    """A LoRA, an embedding or a hypernetwork: a base model's pictures with it and without.
    ``trigger`` is what the file says brings it out: of an embedding, its token."""

    kind: str
    on: Generate
    trigger: str | None = None


Plan = Generate | RoundTrip | AddOn

_CHANNELS: Mapping[Mode, int] = {Mode.TEXT: 4, Mode.INPAINT: 9, Mode.PIX2PIX: 8}
#: What can be shown on a base model, and how a sentence calls it.
ADD_ONS: Mapping[str, str] = {
    "lora": "a LoRA", "embedding": "an embedding", "hypernetwork": "a hypernetwork"
}  # fmt: skip
#: Ways in which a LoRA changes a weight, as the identifier calls them, that we can work out.
_ALGORITHMS = frozenset({"lora", "locon", "dora", "loha", "lokr", "ia3", "full"})
_TRIGGERS, _TRIGGER_CHARS = 5, 200
_OTHERS: Mapping[str, str] = {
    "controlnet": "a ControlNet",
    "ip_adapter": "an IP-Adapter",
    "t2i_adapter": "a T2I-Adapter",
    "unet": "a UNet",
    "text_encoder": "a text encoder",
}
#: VAEs with four channels have the same shapes for three bases; the first stands for them all.
_VAES: Mapping[str, tuple[str, ...]] = {
    "vae-4ch": ("sd1", "sd2", "sdxl"), "vae-mini": ("sd1-mini",)
}  # fmt: skip
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


def plan(identity: Identity, table: TensorTable, lent: Generate | None = None) -> Plan | Result:
    """How to show the model; a skipped or failed Result where that is decided already. ``lent`` is
    the base model at hand; without it, ``needs`` of the Result says which would do."""
    if identity.kind == "vae":
        return _vae(identity, lent)
    if identity.kind in ADD_ONS:
        return _add_on(identity, table, lent)
    if identity.kind in _OTHERS:
        return skipped(
            "smoke.needs_base", f"{_OTHERS[identity.kind]} needs a base model to be shown on"
        )
    if identity.kind != "checkpoint":
        return skipped("smoke.kind", f"there is no picture to make with {_kind(identity.kind)}")
    base = identity.base or "unknown"
    if base not in BASES:
        return skipped("smoke.base", f"models of base {base} cannot be run here yet")
    return _checkpoint(identity, base, table)


def _kind(kind: str) -> str:
    return "a file of unknown kind" if kind == "unknown" else f"a file of kind {kind}"


def _add_on(identity: Identity, table: TensorTable, lent: Generate | None) -> Plan | Result:
    what = ADD_ONS[identity.kind]
    possible = (identity.base,) if identity.base else identity.candidates
    bases = [name for name in possible if name in BASES]
    if not bases:
        named_so = " or ".join(name for name in possible if name) or "unknown"
        return skipped("smoke.base", f"models of base {named_so} cannot be run here yet")
    algorithm = identity.adapter.algorithm if identity.adapter else None
    if algorithm is not None and algorithm not in _ALGORITHMS:
        return skipped(
            "smoke.algorithm", f"adapters of the kind {algorithm} cannot be run here yet"
        )
    needs = Needs(bases[0])
    if lent is None:
        return skipped("smoke.needs_base", f"{what} needs a base model to be shown on", needs)
    if lent.base_name not in bases:
        return skipped(
            "smoke.base_file",
            f"{what} for {' or '.join(bases)} cannot be shown on a model of base {lent.base_name}",
            needs,
        )
    return AddOn(identity.kind, lent, _trigger(identity, table))


def _trigger(identity: Identity, table: TensorTable) -> str | None:
    """What the file itself says brings it out; of training captions, the commonest word."""
    if identity.embedding is not None:
        words = [word for word in identity.embedding.tokens if word != ANY][:1]
        words = words or [table.metadata.get("trigger_token", "")]
    else:
        phrase = {key: table.metadata.get(key, "") for key in ("modelspec.trigger_phrase",)}
        captions = {key: table.metadata.get(key, "") for key in ("ss_tag_frequency",)}
        words = list(trigger_words(phrase)[:_TRIGGERS]) or list(suggested_tags(captions)[:1])
    said = "".join(sign for sign in ", ".join(words) if sign.isprintable())
    return said[:_TRIGGER_CHARS].strip() or None


def _vae(identity: Identity, lent: Generate | None) -> Plan | Result:
    broken = _incomplete(identity.components)
    if broken:
        return broken
    part = identity.components.get("vae")
    arch = (part.arch if part else None) or "unknown"
    if arch not in _VAES:
        return skipped("smoke.base", f"VAEs of the kind {arch} cannot be run here yet")
    bases = _VAES[arch]
    return RoundTrip(bases[0], lent if lent and lent.base_name in bases else None)


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
