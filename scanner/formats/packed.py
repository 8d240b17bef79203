"""Files packed as a whole (gzip, zlib, bzip2, xz, lzma), as joblib and torch users do."""

from __future__ import annotations

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import inflate
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.report import Format
from scanner.source import BytesSource, Source


def plausible(source: Source) -> bool:
    head = source.peek(0, 6)
    return any(head.startswith(magic) for _, magic, _ in inflate.WRAPPERS)


def read(source: Source, place: Place) -> Contents | None:
    """The contents of what is inside; None when the bytes are not packed after all."""
    head = source.peek(0, 6)
    name, _, make = next(item for item in inflate.WRAPPERS if head.startswith(item[1]))
    collector = Collector(source, place)
    try:
        unpacked = inflate.unpack(make(), source, 0, place.limits.pickle_bytes)
    except FileError as error:
        if error.code == "packed.broken" and name in ("zlib", "lzma"):
            # Two or three bytes are a weak sign: other files begin with them too.
            return None
        collector.failed(error, rule="compressed-broken")
        return collector.contents(Format.ARCHIVE)
    collector.note("compressed", f"{name}.")
    if not unpacked.complete:
        collector.note("compressed-broken", "It ends too early.")
    inner = collector.part(BytesSource(unpacked.data), name, None)
    collector.extents.append(Extent(0, unpacked.used, Part.OTHER))
    return collector.contents(inner.format if inner.believable else Format.ARCHIVE, inner.table)
