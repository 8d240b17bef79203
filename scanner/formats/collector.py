"""Gathers what the parts of a container turn out to be."""

from __future__ import annotations

from collections import Counter

from scanner.errors import FileError, LimitExceeded
from scanner.extents import Extent, Part
from scanner.formats import pickles
from scanner.formats.anomalies import finding
from scanner.formats.contents import Contents, Place, gaps, moved, whole
from scanner.opcodes.trace import Trace
from scanner.report import Finding, Format, Severity
from scanner.source import BytesSource, Source
from scanner.tensors import TensorTable

#: Gaps that are tried as files of their own; all of them are searched.
_GAPS = 64


class Collector:
    """Traces, findings and extents of one container, while it is read."""

    def __init__(self, source: Source, place: Place) -> None:
        self.source = source
        self.place = place
        self.traces: list[Trace] = []
        self.findings: list[Finding] = []
        self.extents: list[Extent] = []
        self._kept: Counter[Severity] = Counter()

    def note(
        self,
        rule: str,
        detail: str = "",
        *,
        member: str = "",
        offset: int | None = None,
        argument: str | None = None,
    ) -> None:
        self._keep(
            finding(
                rule, detail, member=member or self.place.member, offset=offset, argument=argument
            )
        )

    def _keep(self, found: Finding) -> None:
        """As many of each severity as a report holds: a thousand trifles push nothing out."""
        self._kept[found.severity] += 1
        if self._kept[found.severity] <= self.place.limits.findings:
            self.findings.append(found)

    def failed(self, error: FileError, member: str = "", rule: str = "unreadable") -> None:
        """A part that could not be read: a limit that ran out, or a broken byte."""
        code = "limit-reached" if isinstance(error, LimitExceeded) else rule
        self.note(code, error.message, member=member)

    def absorb(self, contents: Contents) -> None:
        self.traces += contents.traces
        for found in contents.findings:
            self._keep(found)

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
        return self._search(self.source.window(start, size), name, start)

    def search_bytes(self, data: bytes, name: str) -> bool:
        """The same for bytes that were taken out of a record."""
        return self._search(BytesSource(data), name, None)

    def _search(self, window: Source, name: str, offset: int | None) -> bool:
        found = list(pickles.hidden(window, self.place.limits, self.place.label(name)))
        if found:
            self.traces += found
            self.note("hidden-pickle", member=self.place.label(name), offset=offset)
        return bool(found)

    def stray(self, start: int, size: int, name: str) -> None:
        """Looks into bytes where none belong: they may be a file, or hold a pickle anywhere."""
        contents = self.place.read_nested(self.source.window(start, size), name)
        if contents.believable:
            self.absorb(contents)
        if contents.format is Format.PICKLE:
            self.note("hidden-pickle", member=self.place.label(name), offset=start)
        else:
            self.search(start, size, name)

    def leftovers(self) -> tuple[Extent, ...]:
        """Closes the map: what no part claims is named, and looked into."""
        extents = whole(self.extents, self.source.size)
        for number, gap in enumerate(gaps(extents)):
            self.note("bytes-left-over", f"{gap.size} bytes.", offset=gap.offset)
            name = f"bytes at {gap.offset}"
            # A gap that is all of the file would be read as the same file again.
            if number < _GAPS and gap.size < self.source.size:
                self.stray(gap.offset, gap.size, name)
            else:
                self.search(gap.offset, gap.size, name)
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
