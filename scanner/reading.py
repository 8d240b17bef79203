"""A file read once: what every later step (safety, identity, conversion, …) looks at."""

from __future__ import annotations

from typing import NamedTuple

from scanner.extents import Extent
from scanner.formats import detect
from scanner.limits import Limits
from scanner.opcodes.trace import Trace
from scanner.report import Finding, Format, Severity
from scanner.source import Source
from scanner.tensors import TensorTable

_ORDER = (Severity.MALICIOUS, Severity.UNREADABLE, Severity.SUSPICIOUS, Severity.NOTE)


class Reading(NamedTuple):
    """What the bytes say. ``findings`` are those of the container; the pickles' own come from
    judging ``traces``. ``extents`` cover the file without gap or overlap."""

    format: Format
    traces: tuple[Trace, ...]
    table: TensorTable | None
    extents: tuple[Extent, ...]
    findings: tuple[Finding, ...]
    source: Source
    #: End of the safetensors header; None for any other format.
    data_offset: int | None = None


def read(source: Source, limits: Limits) -> Reading:
    """Everything in ``source`` by its bytes alone. Never raises on hostile input."""
    contents = detect.read(source, limits)
    return Reading(
        format=contents.format,
        traces=contents.traces,
        table=contents.table,
        extents=contents.extents,
        findings=_worst(contents.findings, limits.findings),
        source=source,
        data_offset=contents.data_offset,
    )


def _worst(findings: tuple[Finding, ...], most: int) -> tuple[Finding, ...]:
    """As many as a report holds: a thousand trifles must not push out what is grave."""
    if len(findings) <= most:
        return findings
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity))[:most])
