"""What a container reader hands back, and the little that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scanner.extents import Extent, Part
from scanner.formats.anomalies import finding
from scanner.limits import Limits
from scanner.opcodes.trace import Trace
from scanner.report import Finding, Format
from scanner.source import Source
from scanner.tensors import TensorTable


class Contents(NamedTuple):
    """One reader's account of a file (or of a member that is a file itself)."""

    format: Format
    traces: tuple[Trace, ...] = ()
    table: TensorTable | None = None
    extents: tuple[Extent, ...] = ()
    findings: tuple[Finding, ...] = ()
    #: Where the tensor bytes of a safetensors file begin.
    data_offset: int | None = None

    @property
    def believable(self) -> bool:
        """Whether the file is what the reader took it for, sound or not."""
        return self.format is not Format.UNKNOWN


class Place(NamedTuple):
    """Where the bytes at hand lie: the member's name ("" for the file itself), how many
    containers deep, and the reader for what may be nested in them."""

    limits: Limits
    member: str = ""
    depth: int = 0
    nested: Callable[[Source, Place], Contents] | None = None
    #: A container around these bytes looks for zip members without a directory in them already.
    #: Looking again at every depth would take a power of their number.
    combed: bool = False

    def label(self, name: str) -> str:
        return f"{self.member}/{name}" if self.member else name

    def inside(self, name: str) -> Place:
        return self._replace(member=self.label(name), depth=self.depth + 1)

    def read_nested(self, source: Source, name: str) -> Contents:
        """What the bytes of a member are in turn; a finding when it goes too deep."""
        place = self.inside(name)
        if self.nested is None or place.depth > self.limits.container_depth:
            return Contents(
                Format.UNKNOWN,
                findings=(finding("nested-too-deep", member=place.member),),
            )
        return self.nested(source, place)


def moved(extents: tuple[Extent, ...], by: int) -> list[Extent]:
    """A member's own extents as they lie in the file around it."""
    return [Extent(item.offset + by, item.size, item.part, item.key) for item in extents]


def whole(extents: list[Extent], size: int) -> tuple[Extent, ...]:
    """The extents in order, with the bytes that none of them claims named as unclaimed."""
    placed: list[Extent] = []
    at = 0
    for extent in sorted(extents, key=lambda item: (item.offset, item.size)):
        start, end = max(extent.offset, at), min(extent.offset + extent.size, size)
        if end <= start:
            continue
        if start > at:
            placed.append(Extent(at, start - at, Part.UNCLAIMED))
        placed.append(Extent(start, end - start, extent.part, extent.key))
        at = end
    if at < size:
        placed.append(Extent(at, size - at, Part.UNCLAIMED))
    return tuple(placed)


def gaps(extents: tuple[Extent, ...]) -> tuple[Extent, ...]:
    return tuple(extent for extent in extents if extent.part is Part.UNCLAIMED)
