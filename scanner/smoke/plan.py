"""From what a file is to how it can be shown, or why it cannot.

diffusers loads a file with missing parts without a word and fills them with noise; so what is
missing is found here, from the identity, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from scanner.convert.addons import ANY
from scanner.identify.metadata import suggested_tags, trigger_words
from scanner.report import Component, Identity, State
from scanner.smoke.bases import BASES, Base
from scanner.smoke.outcome import Check, Needs, Outcome, Result, failed, named, skipped
from scanner.smoke.places import LAYOUTS, PARTS, Place, packed
from scanner.tensors import TensorTable


class Mode(StrEnum):
    """What a model starts from: noise alone, or a picture beside it."""

    TEXT = "text-to-image"
    INPAINT = "inpaint"
    PIX2PIX = "pix2pix"
    REFINE = "refine"


@dataclass(frozen=True, slots=True)
class Generate:
    """A whole model: text in, picture out. ``prediction`` is None where the file cannot tell;
    some of the ``places`` may be the base model's. ``family`` and ``clip_skip`` are what the file
    says of itself."""

    base_name: str
    mode: Mode
    prediction: str | None
    in_channels: int
    places: tuple[Place, ...] = ()
    family: str | None = None
    clip_skip: int | None = None

    @property
    def base(self) -> Base:
        return BASES[self.base_name]

    @property
    def lent(self) -> tuple[str, ...]:
        """The parts that come from the base model, as a sentence calls them."""
        return tuple(PARTS[place.part] for place in self.places if place.lent)


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

_CHANNELS: Mapping[Mode, int] = {
    Mode.TEXT: 4, Mode.INPAINT: 9, Mode.PIX2PIX: 8, Mode.REFINE: 4
}  # fmt: skip
#: What can be shown on a base model, and how a sentence calls it.
ADD_ONS: Mapping[str, str] = {
    "lora": "a LoRA", "embedding": "an embedding", "hypernetwork": "a hypernetwork"
}  # fmt: skip
#: Ways in which a LoRA changes a weight, as the identifier calls them, that we can work out.
_ALGORITHMS = frozenset({"lora", "locon", "dora", "loha", "lokr", "ia3", "full"})
_TRIGGERS, _TRIGGER_CHARS = 5, 200
#: Where an embedding's metadata says what it is called.
_CALLED = ("trigger_token", "name")
_OTHERS: Mapping[str, str] = {
    "controlnet": "a ControlNet",
    "ip_adapter": "an IP-Adapter",
    "t2i_adapter": "a T2I-Adapter",
}
#: VAEs with four channels have the same shapes for three bases; the first stands for them all.
_VAES: Mapping[str, tuple[str, ...]] = {
    "vae-4ch": ("sd1", "sd2", "sdxl"), "vae-mini": ("sd1-mini",)
}  # fmt: skip


def plan(
    identity: Identity,
    table: TensorTable,
    lent: Generate | None = None,
    *,
    places: tuple[Place, ...] = (),
) -> Plan | Result:
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
    if identity.kind == "text_encoder":
        return _text_encoder(identity, places, lent)
    if identity.kind not in ("checkpoint", "unet"):
        return skipped("smoke.kind", f"there is no picture to make with {_kind(identity.kind)}")
    base = identity.base or "unknown"
    if base not in BASES:
        return skipped("smoke.base", f"models of base {base} cannot be run here yet")
    if packed(table):
        return skipped("smoke.quantised", "quantised weights cannot be run here yet")
    return _model(identity, base, places, lent)


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
        words = (
            words or [table.metadata.get(key, "") for key in _CALLED if key in table.metadata][:1]
        )
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


def _model(
    identity: Identity, base_name: str, places: tuple[Place, ...], lent: Generate | None
) -> Plan | Result:
    """A whole model, or a UNet with some of what it needs; the base model lends the rest."""
    broken = _incomplete(identity.components)
    if broken:
        return broken
    try:
        mode = Mode(identity.variant or Mode.TEXT)
    except ValueError:
        return skipped("smoke.variant", f"the variant {identity.variant} cannot be run here yet")
    own = {place.part: place for place in places}
    wanted = ("unet", *BASES[base_name].text_encoders, "vae")
    odd = [name for name in wanted if name in own and own[name].layout not in LAYOUTS]
    if odd:
        return skipped(
            "smoke.layout", f"the {PARTS[odd[0]]} is stored in a layout that cannot be run yet"
        )
    absent = tuple(name for name in wanted if name not in own)
    if not absent:
        return _generate(identity, base_name, mode, [own[name] for name in wanted])
    given = _given(absent, (base_name,), lent)
    if isinstance(given, Result):
        return given
    held = own | {place.part: replace(place, lent=True) for place in given.places
                  if place.part in absent}  # fmt: skip
    if "unet" in absent:
        return replace(given, places=tuple(held[name] for name in wanted))
    return _generate(identity, base_name, mode, [held[name] for name in wanted])


def _generate(identity: Identity, base_name: str, mode: Mode, places: list[Place]) -> Generate:
    return Generate(base_name, mode, identity.prediction, _CHANNELS[mode], tuple(places))


def _text_encoder(
    identity: Identity, places: tuple[Place, ...], lent: Generate | None
) -> Plan | Result:
    """A text encoder alone: a base model reads its prompts with it instead of its own."""
    broken = _incomplete(identity.components)
    if broken:
        return broken
    possible = (identity.base,) if identity.base else identity.candidates
    bases = tuple(name for name in possible if name in BASES)
    own = next((place for place in places if place.layout in LAYOUTS), None)
    if not bases or own is None:
        return skipped("smoke.base", "text encoders of this kind cannot be run here yet")
    given = _given(("unet", "vae"), bases, lent)
    if isinstance(given, Result):
        return given
    slot = next((place.part for place in given.places if place.arch == own.arch), None)
    if slot is None:
        return skipped("smoke.base_file", "the base model has another kind of text encoder")
    held = tuple(
        replace(own, part=slot) if place.part == slot else replace(place, lent=True)
        for place in given.places
    )
    return replace(given, places=held)


def _given(
    absent: tuple[str, ...], bases: tuple[str, ...], lent: Generate | None
) -> Generate | Result:
    """The base model, where there is one that fits."""
    needs = Needs(bases[0], absent)
    if lent is None:
        names = " and no ".join(PARTS[name] for name in absent)
        return skipped(
            "smoke.needs_parts",
            f"the file holds no {names}; a base model would have to lend it",
            needs,
        )
    if lent.base_name not in bases:
        return skipped(
            "smoke.base_file",
            f"a model of base {lent.base_name} lends nothing to one of base {' or '.join(bases)}",
            needs,
        )
    return lent


def _incomplete(components: Mapping[str, Component]) -> Result | None:
    checks = tuple(
        _incomplete_check(name, components[name])
        for name in PARTS
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
        f"The {PARTS[name]} is not whole: {'; '.join(words) or 'tensors are missing'}.",
        float(len(lost)),
        0.0,
    )
