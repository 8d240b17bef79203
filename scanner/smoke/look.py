"""What the file is, and so how it can be shown. Read in the strict jail, before torch is loaded:
most files that cannot be shown are told so at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeGuard

from scanner.errors import EngineError
from scanner.identify import identify
from scanner.identify.anatomy import Anatomy
from scanner.limits import Limits
from scanner.reading import read
from scanner.report import Format, Json
from scanner.smoke.bases import BASES
from scanner.smoke.options import CLIP_SKIPS
from scanner.smoke.outcome import Result, failed, skipped
from scanner.smoke.places import LAYOUTS, PARTS, Place, places
from scanner.smoke.plan import ADD_ONS, AddOn, Generate, Mode, Plan, RoundTrip, plan
from scanner.smoke.prompts import family_of
from scanner.source import FileSource

#: Where a file says what it is called or was made from.
_NAMES = ("modelspec.title", "modelspec.tags", "ss_output_name", "ss_sd_model_name")
_LAYERS = ("modelspec.encoder_layer", "ss_clip_skip")


def look(descriptor: int, limits: Limits, base: int | None = None) -> Plan | Result:
    """The plan for an open file; a skipped or failed Result where that is decided already.
    ``base`` is an open base model, looked at only where the file needs one."""
    found = _planned(descriptor, limits)
    if base is None or not _can_borrow(found):
        return found
    lent = base_of(base, limits)
    if isinstance(lent, Generate):
        return _planned(descriptor, limits, lent)
    # A VAE is shown without one just as well.
    return found if isinstance(found, RoundTrip) else replace(lent, needs=found.needs)


def base_of(descriptor: int, limits: Limits) -> Generate | Result:
    """The plan for an open file that shall serve as a base model: whole, and with nothing but a
    text for its input. A skipped Result says what it is instead."""
    found = _planned(descriptor, limits)
    if isinstance(found, Generate) and found.mode is Mode.TEXT:
        return found
    if isinstance(found, Result) and found.code != "smoke.needs_base":
        return skipped("smoke.base_file", f"the base model cannot be used: {found.reason}")
    what = f"a model for {found.mode}" if isinstance(found, Generate) else "no whole model"
    return skipped("smoke.base_file", f"the base model cannot be used: it is {what}")


def _can_borrow(found: Plan | Result) -> TypeGuard[RoundTrip | Result]:
    return isinstance(found, RoundTrip) or (isinstance(found, Result) and found.needs is not None)


def _planned(descriptor: int, limits: Limits, lent: Generate | None = None) -> Plan | Result:
    reading = read(FileSource(descriptor), limits)
    if reading.format is not Format.SAFETENSORS:
        return skipped(
            "smoke.not_converted", "only a safetensors file is run: convert this one first"
        )
    if reading.table is None:
        return failed("smoke.unreadable", "the file's header cannot be read")
    anatomy = Anatomy(reading.table)
    identity = identify(reading.table, format=reading.format, limits=limits, anatomy=anatomy)
    found = plan(identity, reading.table, lent, places=places(anatomy.census))
    return _declared(found, reading.table.metadata) if isinstance(found, Generate) else found


def _declared(found: Generate, metadata: Mapping[str, str]) -> Generate:
    """What the file says of its family, and of the layer that its text encoder was trained on."""
    family = family_of(found.base_name, map(metadata.get, _NAMES))
    layers = [metadata.get(key, "") for key in _LAYERS]
    layer = next((int(text) for text in layers if text.isdecimal() and len(text) < 3), None)
    return replace(
        found,
        family=family.name if family else found.family,
        clip_skip=layer if layer in CLIP_SKIPS else found.clip_skip,
    )


def written(found: Plan) -> dict[str, Json]:
    """A plan as it leaves the jail."""
    match found:
        case AddOn():
            return {"add_on": found.kind, "on": written(found.on), "trigger": found.trigger}
        case RoundTrip():
            return {"base": found.base_name, "on": written(found.on) if found.on else None}
        case Generate():
            return {
                "base": found.base_name,
                "mode": found.mode.value,
                "prediction": found.prediction,
                "in_channels": found.in_channels,
                "family": found.family,
                "clip_skip": found.clip_skip,
                "places": [
                    [item.part, item.arch, item.layout, item.prefix, item.lent]
                    for item in found.places
                ],
            }


def understood(body: Json) -> Plan:
    """The plan that came out of the jail; nothing from there is taken on trust."""
    match body:
        case {"add_on": str(kind), "on": on, "trigger": str() | None as trigger} if kind in ADD_ONS:
            return AddOn(kind, _generate(on), trigger)
        case {"base": str(base), "on": on, **rest} if base in BASES and not rest:
            return RoundTrip(base, None if on is None else _generate(on))
    return _generate(body)


def _generate(body: Json) -> Generate:
    match body:
        case {
            "base": str(base),
            "mode": str(mode),
            "prediction": str() | None as prediction,
            "in_channels": int(channels),
            "family": str() | None as family,
            "clip_skip": int() | None as clip_skip,
            "places": list(held),
        } if base in BASES and mode in tuple(Mode):
            found = tuple(map(_place, held))
            return Generate(base, Mode(mode), prediction, channels, found, family, clip_skip)
    raise _nonsense()


def _place(body: Json) -> Place:
    match body:
        case [str(part), str(arch), str(layout), str(prefix), bool(lent)] if (
            part in PARTS and layout in LAYOUTS
        ):
            return Place(part, arch, layout, prefix, lent)
    raise _nonsense()


def _nonsense() -> EngineError:
    return EngineError("sandbox.crashed", "the child's plan makes no sense")
