"""Which readers a file's bytes call for. Names are never looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scanner.errors import FileError, LimitExceeded
from scanner.extents import Extent, Part
from scanner.formats import (
    gguf,
    joblib_arrays,
    npy,
    packed,
    pickles,
    png,
    safetensors,
    storages,
    table,
    texts,
    torch_legacy,
    torch_tar,
    webp,
    zip_file,
    zip_records,
)
from scanner.formats.anomalies import finding
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place, whole
from scanner.limits import Limits
from scanner.report import Format
from scanner.source import Source

_HEAD = 16


class _Reader(NamedTuple):
    name: str
    plausible: Callable[[Source], bool]
    read: Callable[[Source, Place], Contents | None]


#: In the order in which one of them becomes the file's format.
_READERS = (
    _Reader("zip", zip_file.plausible, zip_file.read),
    _Reader("safetensors", safetensors.plausible, safetensors.read),
    _Reader("GGUF", gguf.plausible, gguf.read),
    _Reader("numpy", npy.plausible, npy.read),
    _Reader("tar", torch_tar.plausible, torch_tar.read),
    _Reader("PNG", png.plausible, png.read),
    _Reader("WebP", webp.plausible, webp.read),
    _Reader("packed", packed.plausible, packed.read),
)

#: Archives that are named, not read.
_ARCHIVES = (
    (b"7z\xbc\xaf\x27\x1c", 0, "7-Zip"),
    (b"Rar!\x1a\x07", 0, "RAR"),
    (b"RE~^", 0, "RAR, its first version"),
    (b"\x28\xb5\x2f\xfd", 0, "zstd"),
    (b"\x04\x22\x4d\x18", 0, "lz4"),
    (b"\x02\x21\x4c\x18", 0, "lz4, its older form"),
    (b"MSCF\0\0\0\0", 0, "Cabinet"),
    (b"LZIP", 0, "lzip"),
    (b"\x1f\x9d", 0, "compress"),
    (b"!<arch>\n", 0, "ar"),
    (b"xar!", 0, "xar"),
    (b"CD001", 0x8001, "a disk image"),
    (b"\x89HDF\r\n\x1a\n", 0, "HDF5, as Keras writes it"),
)
#: Other files that are named, not read.
_FOREIGN = (
    (b"MZ", 0, "a Windows program"),
    (b"\x7fELF", 0, "a Linux program"),
    (b"\xcf\xfa\xed\xfe", 0, "a macOS program"),
    (b"\xce\xfa\xed\xfe", 0, "a macOS program"),
    (b"\xca\xfe\xba\xbe", 0, "a macOS program or a Java class"),
    (b"\0asm", 0, "a WebAssembly program"),
    (b"\r\n", 2, "compiled Python"),
    (b"L\0\0\0\x01\x14\x02\0", 0, "a Windows shortcut"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "a Windows document or installer"),
    (b"%PDF-", 0, "PDF"),
    (b"TFL3", 4, "TensorFlow Lite"),
    (b"SQLite format 3\0", 0, "SQLite"),
    (b"PAR1", 0, "Parquet"),
    (b"ARROW1", 0, "Arrow"),
    (b"\x08", 0, "probably ONNX, or another protobuf"),
)
#: What is not taken for a pickle that names nothing.
_OTHERS = (*_ARCHIVES, *_FOREIGN[:2])
_PICTURES = (
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"GIF8", 0, "GIF"),
)


def read(source: Source, limits: Limits) -> Contents:
    """The file's contents. Never raises on hostile input: an error is a finding."""
    return _read(source, Place(limits, nested=_read))


def _read(source: Source, place: Place) -> Contents:
    try:
        return _judged(source, place)
    except FileError as error:
        rule = "limit-reached" if isinstance(error, LimitExceeded) else "unreadable"
        return _lost(source, place, rule, error.message or error.code)
    except RecursionError:
        return _lost(source, place, "limit-reached", "Nested too deep.")
    except Exception as error:
        # A defect of ours must never read as clean, nor take the other files down with it.
        return _lost(source, place, "engine-error", f"{type(error).__name__}: {error}"[:300])


def _lost(source: Source, place: Place, rule: str, detail: str) -> Contents:
    return Contents(
        Format.UNKNOWN,
        extents=whole([], source.size),
        findings=(finding(rule, detail, member=place.member),),
    )


def _judged(source: Source, place: Place) -> Contents:
    if source.size == 0:
        rule = "text-member" if place.member else "empty-file"
        return Contents(Format.UNKNOWN, findings=(finding(rule, member=place.member),))
    found: list[tuple[str, Contents]] = []
    for reader in _READERS:
        if reader.plausible(source):
            contents = reader.read(source, place)
            if contents is not None:
                found.append((reader.name, contents))
    # To an unpickler a zip's first bytes are a persistent id; honest pickles lie not far behind.
    begun = source.peek(0, 4) == zip_records.LOCAL and _is_whole_zip(found)
    pickled = None if begun else _pickled(source, place, alone=not found)
    if pickled is not None:
        found.append(("pickle", pickled))
    if not found:
        return _unknown(source, place)
    return found[0][1] if len(found) == 1 else _polyglot(found, place)


def _is_whole_zip(found: list[tuple[str, Contents]]) -> bool:
    return any(
        name == "zip" and all(finding.rule != "zip-no-directory" for finding in contents.findings)
        for name, contents in found
    )


def _pickled(source: Source, place: Place, *, alone: bool) -> Contents | None:
    """The bytes as pickles from the start on: torch's legacy format, or bare ones."""
    head = source.peek(0, _HEAD)
    stream = pickles.stream(source, place.limits, place.member)
    if not stream.traces:
        return None
    if torch_legacy.is_legacy(stream.traces):
        return torch_legacy.read(source, place, stream)
    if not _meant(source, head, stream, alone=alone):
        return None
    if joblib_arrays.speaks_of(stream):
        return _joblib(source, place, stream)
    return _bare(source, place, stream)


def _joblib(source: Source, place: Place, plain: pickles.Stream) -> Contents:
    """As joblib reads it; what any other unpickler would make of the same bytes counts where it is
    malicious."""
    found = joblib_arrays.read(source, place.limits, place.member)
    if found is None or not found[0].traces:
        return _bare(source, place, plain)
    stream, spliced = found
    first, *others = stream.traces
    first = first._replace(alternates=(*first.alternates, *plain.traces))
    end = spliced.original(stream.end)
    return _bare(source, place, pickles.Stream((first, *others), end))


def _meant(source: Source, head: bytes, stream: pickles.Stream, *, alone: bool) -> bool:
    """Whether bytes that can be read as pickles were meant to be. Beside another format, only what
    names objects is worth a word: any digit may be an opcode."""
    first = stream.traces[0]
    named = [trace for trace in stream.traces if pickles.names_objects(trace)]
    if alone and _named(source, _OTHERS):
        return any(map(pickles.credible, named))
    if not alone:
        return bool(named)
    # Bytes that are no text have no reason to spell an import.
    believed = pickles.credible(first) or (bool(named) and not texts.is_utf8(source))
    return believed or pickles.has_mark(head)


def _bare(source: Source, place: Place, stream: pickles.Stream) -> Contents:
    collector = Collector(source, place)
    collector.traces += stream.traces
    collector.extents.append(Extent(0, min(stream.end, source.size), Part.PICKLE))
    collector.findings += storages.collect(stream.traces, place.member).findings
    built = table.build(stream.traces[0].result, lambda claim: None, place.limits, place.member)
    collector.findings += built.findings
    if stream.broken:
        # The machine's own finding says so; the rest belongs to the broken pickle.
        collector.extents.append(Extent(stream.end, max(source.size - stream.end, 0), Part.PICKLE))
        if stream.end < source.size:
            collector.search(stream.end, source.size - stream.end, "rest")
    return collector.contents(Format.PICKLE, built.table)


def _polyglot(found: list[tuple[str, Contents]], place: Place) -> Contents:
    """More than one reader takes the bytes for its own: all that they saw counts."""
    first = found[0][1]
    names = ", ".join(name for name, _ in found)
    traces = list(first.traces)
    starts = {(trace.member, trace.file_offset, trace.start) for trace in traces}
    for _, contents in found[1:]:
        traces += [
            trace
            for trace in contents.traces
            if (trace.member, trace.file_offset, trace.start) not in starts
        ]
    findings = [finding("polyglot", f"{names}.", member=place.member)]
    for _, contents in found:
        findings += contents.findings
    return Contents(
        first.format, tuple(traces), first.table, first.extents, tuple(findings),
        first.data_offset,
    )  # fmt: skip


# -- what no reader takes ------------------------------------------------------------------------


def _named(source: Source, table: tuple[tuple[bytes, int, str], ...]) -> str:
    """What a table of (first bytes, their offset, name) calls the file; "" if nothing."""
    found = (name for magic, at, name in table if source.peek(at, len(magic)) == magic)
    return next(found, "")


def _unknown(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    format = Format.UNKNOWN
    if archive := _named(source, _ARCHIVES):
        format = Format.ARCHIVE
        collector.note("unsupported-archive", f"{archive}.")
    elif picture := _named(source, _PICTURES):
        format = Format.IMAGE
        collector.note("picture", f"{picture}.")
    elif texts.plausible(source):
        texts.read(source, collector)
    elif foreign := _named(source, _FOREIGN):
        collector.note("foreign-file", f"{foreign[0].upper()}{foreign[1:]}.")
    else:
        collector.note("unknown-member" if place.member else "unknown-format")
    collector.search(0, min(source.size, place.limits.pickle_bytes), "bytes")
    collector.extents.append(Extent(0, source.size, Part.OTHER))
    return collector.contents(format)
