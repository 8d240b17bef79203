"""Gathers what the parts of a container turn out to be."""

from __future__ import annotations

from scanner.errors import FileError, LimitExceeded
from scanner.extents import Extent, Part
from scanner.formats import pickles
from scanner.formats.anomalies import finding
from scanner.formats.contents import Contents, Place, gaps, moved, whole
from scanner.opcodes.trace import Trace
from scanner.report import Finding, Format
from scanner.source import Source
from scanner.tensors import TensorTable

_ZEROS = 4096


class Collector:
    """Traces, findings and extents of one container, while it is read."""

    def __init__(self, source: Source, place: Place) -> None:
        self.source = source
        self.place = place
        self.traces: list[Trace] = []
        self.findings: list[Finding] = []
        self.extents: list[Extent] = []

    def note(
        self,
        rule: str,
        detail: str = "",
        *,
        member: str = "",
        offset: int | None = None,
        argument: str | None = None,
    ) -> None:
        if len(self.findings) < self.place.limits.findings:
            self.findings.append(
                finding(
                    rule,
                    detail,
                    member=member or self.place.member,
                    offset=offset,
                    argument=argument,
                )
            )

    def failed(self, error: FileError, member: str = "", rule: str = "unreadable") -> None:
        """A part that could not be read: a limit that ran out, or a broken byte."""
        code = "limit-reached" if isinstance(error, LimitExceeded) else rule
        self.note(code, error.message, member=member)

    def absorb(self, contents: Contents) -> None:
        self.traces += contents.traces
        self.findings += contents.findings

    def part(self, source: Source, name: str, at: int | None) -> Contents:
        """Reads a member as a file of its own. ``at`` is where its bytes lie in this container,
        None when they are packed."""
        contents = self.place.read_nested(source, name)
        self.absorb(contents)
        if at is not None and contents.table is not None:
            self.extents += moved(contents.extents, at)
        elif at is not None:
            part = Part.PICKLE if contents.traces else Part.OTHER
            self.extents.append(Extent(at, source.size, part))
        return contents

    def search(self, start: int, size: int, name: str) -> bool:
        """Looks for pickles in bytes that belong to nothing, or to a comment."""
        window = self.source.window(start, size)
        found = list(pickles.hidden(window, self.place.limits, self.place.label(name)))
        if found:
            self.traces += found
            self.note("hidden-pickle", member=self.place.label(name), offset=start)
        return bool(found)

    def leftovers(self) -> tuple[Extent, ...]:
        """Closes the map: what no part claims is named, and searched for pickles."""
        extents = whole(self.extents, self.source.size)
        for gap in gaps(extents):
            self.note("bytes-left-over", f"{gap.size} bytes.", offset=gap.offset)
            self.search(gap.offset, gap.size, f"bytes at {gap.offset}")
        return extents

    def contents(
        self, format: Format, table: TensorTable | None = None, data_offset: int | None = None
    ) -> Contents:
        """All of it, the gaps accounted for."""
        extents = self.leftovers()
        return Contents(
            format=format,
            traces=tuple(self.traces),
            table=table,
            extents=extents,
            findings=tuple(self.findings),
            data_offset=data_offset,
        )
