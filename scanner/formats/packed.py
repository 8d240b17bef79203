"""Files packed as a whole (gzip, zlib, bzip2, xz, lzma), as joblib and torch users do."""

from __future__ import annotations

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import inflate
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.report import Format
from scanner.source import Source


def plausible(source: Source) -> bool:
    return _wrapper(source) is not None


def _wrapper(source: Source) -> inflate.Wrapper | None:
    head = source.peek(0, 6)
    return next((item for item in inflate.WRAPPERS if head.startswith(item.magic)), None)


def read(source: Source, place: Place) -> Contents | None:
    """The contents of what is inside; None when the bytes are not packed after all."""
    wrapper = _wrapper(source)
    if wrapper is None:
        return None
    name = wrapper.name
    collector = Collector(source, place)
    try:
        unpacked = inflate.Unwrapped(wrapper, source, place.limits)
    except FileError as error:
        if error.code == "packed.broken" and wrapper.weak:
            # Two or three bytes are a weak sign: other files begin with them too.
            return None
        collector.failed(error, rule="compressed-broken")
        collector.extents.append(Extent(0, source.size, Part.OTHER))
        return collector.contents(Format.ARCHIVE)
    if not unpacked.complete and wrapper.rare:
        return None
    inner = collector.part(unpacked.held or unpacked, name, None)
    if unpacked.broken and wrapper.weak and not inner.traces:
        return None
    collector.note("compressed", f"{name}.")
    if not unpacked.complete:
        collector.note("compressed-broken", unpacked.broken or "It ends too early.")
    used = source.size if unpacked.broken else unpacked.used
    collector.extents.append(Extent(0, used, Part.OTHER))
    return collector.contents(inner.format if inner.believable else Format.ARCHIVE, inner.table)
