"""What the file is, and so how it can be shown. Read in the strict jail, before torch is loaded:
most files that cannot be shown are told so at once."""

from __future__ import annotations

from scanner.errors import EngineError
from scanner.identify import identify
from scanner.limits import Limits
from scanner.reading import read
from scanner.report import Format, Json
from scanner.smoke.bases import BASES
from scanner.smoke.outcome import Result, failed, skipped
from scanner.smoke.plan import Generate, Mode, Plan, RoundTrip, plan
from scanner.source import FileSource


def look(descriptor: int, limits: Limits) -> Plan | Result:
    """The plan for an open file; a skipped or failed Result where that is decided already."""
    reading = read(FileSource(descriptor), limits)
    if reading.format is not Format.SAFETENSORS:
        return skipped(
            "smoke.not_converted", "only a safetensors file is run: convert this one first"
        )
    if reading.table is None:
        return failed("smoke.unreadable", "the file's header cannot be read")
    return plan(identify(reading.table, format=reading.format, limits=limits), reading.table)


def written(found: Plan) -> dict[str, Json]:
    """A plan as it leaves the jail."""
    if isinstance(found, RoundTrip):
        return {"base": found.base_name}
    return {
        "base": found.base_name,
        "mode": found.mode.value,
        "prediction": found.prediction,
        "in_channels": found.in_channels,
    }


def understood(body: Json) -> Plan:
    """The plan that came out of the jail; nothing from there is taken on trust."""
    match body:
        case {
            "base": str(base),
            "mode": str(mode),
            "prediction": str() | None as prediction,
            "in_channels": int(channels),
        } if base in BASES and mode in tuple(Mode):
            return Generate(base, Mode(mode), prediction, channels)
        case {"base": str(base), **rest} if base in BASES and not rest:
            return RoundTrip(base)
    raise EngineError("sandbox.crashed", "the child's plan makes no sense")
