"""What each component would weigh at each precision, and what is odd about what it does weigh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from scanner.identify import sizes
from scanner.identify.anatomy import Anatomy
from scanner.identify.architectures.blueprint import Blueprint
from scanner.identify.matching import Part
from scanner.report import Component, Identity, LedgerRow, State

#: Bytes of a number.
WIDTHS: Mapping[str, int] = {"fp16": 2, "fp32": 4}
_CALLED: Mapping[str, str] = {
    "unet": "UNet", "ema": "EMA copy", "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder", "text_encoder_3": "third text encoder",
    "vae": "VAE", "image_encoder": "image encoder", "depth_model": "depth model",
}  # fmt: skip
#: Less than this share of the file, or than this many bytes, is not worth a sentence.
_SHARE, _LEAST = 0.005, 1_000_000
#: Rows that no component explains.
_STRAY = ("other tensors", "storage that no tensor uses", "other members")


def expected(anatomy: Anatomy, identity: Identity) -> dict[str, dict[str, int]]:
    """Bytes of each component that is there, were it whole, at each precision."""
    return {
        part.component: {width: size * _whole(part, identity) for width, size in WIDTHS.items()}
        for part in anatomy.census.parts
    }


def _whole(part: Part, identity: Identity) -> int:
    """Numbers of the whole component."""
    found = identity.components.get(part.component)
    if found is not None and found.state is State.WHOLE:
        return found.params
    blueprint = part.architecture.build()
    return _numbers(blueprint, {tensor.name for tensor in part.tensors}, part.prefix)


def _numbers(blueprint: Blueprint, held: set[str], prefix: str) -> int:
    begun = any(prefix + name in held for name in blueprint.spare)
    shapes = [*blueprint.shapes.values(), *(blueprint.spare.values() if begun else ())]
    return sum(map(prod, shapes))


def anomalies(
    size: int,
    rows: tuple[LedgerRow, ...],
    unexplained: int,
    identity: Identity,
    sizes_at: Mapping[str, Mapping[str, int]],
) -> Iterator[str]:
    """What a person would ask about the sizes, each in a sentence."""
    least = max(_SHARE * size, _LEAST)
    for name, component in identity.components.items():
        if name in sizes_at:
            yield from _odd(name, component, identity, sizes_at[name], least)
    if identity.components:
        stray = unexplained + sum(row.bytes for row in rows if row.what.startswith(_STRAY))
        if stray >= least:
            yield f"{_amount(stray)} that no component explains."
    yield from _coincidence(size, identity)


def _odd(
    name: str, component: Component, identity: Identity, at: Mapping[str, int], least: float
) -> Iterator[str]:
    called, excess = _CALLED.get(name, name), component.bytes - at["fp16"]
    if component.state is State.PARTIAL:
        lacking = at.get(component.precision or "", at["fp16"]) - component.bytes
        if component.precision in ("fp16", "bf16", "fp32") and lacking >= least:
            yield (
                f"The {called} is {_amount(lacking)} smaller than a whole one in "
                f"{component.precision}."
            )
    elif excess < least:
        return
    elif component.precision == "mixed":
        yield (
            f"The {called} mixes precisions: {_amount(component.bytes)}, where fp16 alone would be "
            f"{_amount(at['fp16'])} and fp32 {_amount(at['fp32'])}."
        )
    elif component.precision == "fp32" and _narrow(identity):
        yield (
            f"The {called} is {_amount(excess)} larger than fp16 would be: it is in fp32, though "
            "the model is not."
        )


def _narrow(identity: Identity) -> bool:
    """Whether the diffusion model itself takes two bytes a number."""
    model = identity.components.get("unet") or identity.components.get("ema")
    return model is not None and model.precision in ("fp16", "bf16")


def _coincidence(size: int, identity: Identity) -> Iterator[str]:
    """A size that people take for another make-up: fp16 with an EMA copy weighs what fp32 does."""
    plain = sizes.nearest(size, identity.base or "")
    if plain is None or abs(plain.bytes - size) > size / 1000:
        return
    held = {
        name: part.precision or ""
        for name, part in identity.components.items()
        if part.state is not State.ABSENT
    }
    if dict(plain.parts) != held and set(held.values()) <= set(WIDTHS):
        usual = ", ".join(f"{_CALLED.get(name, name)} {width}" for name, width in plain.parts)
        actual = ", ".join(f"{_CALLED.get(name, name)} {width}" for name, width in held.items())
        yield f"{_amount(size)} is the size of another make-up ({usual}); this file holds {actual}."


def _amount(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 5e7 else f"{count / 1e6:,.1f} MB"
