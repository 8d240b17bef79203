"""A zip archive as all of its readers together would see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import inflate
from scanner.formats import zip_records as records
from scanner.formats.anomalies import finding
from scanner.formats.contents import Place
from scanner.formats.zip_records import Central, End, Local
from scanner.report import Finding
from scanner.source import Source

#: Parts of an extra field that zip writers make: 64-bit sizes, times, owners, paths and comments in
#: UTF-8, AES, alignment by Java, Android and torch.
_KNOWN_EXTRA = frozenset(
    {0x1, 0xA, 0x5455, 0x5855, 0x7855, 0x7875, 0x7075, 0x6375, 0x9901, 0xCAFE, 0xD935, 0x4246}
)
_UNICODE_PATH = 0x7075
#: No pickle that does something is shorter.
_SHORTEST = 12
#: Comments and extra fields that are looked into.
_MOST_ASIDE = 2_000
#: Unpacked sizes up to here are no bomb, however well they pack.
_BOMB_BYTES = 64 << 20
_BOMB_RATIO = 100
_LEVEL_BITS = 0x6
_HARMLESS_FLAGS = records.HAS_DESCRIPTOR | records.UTF8 | _LEVEL_BITS


class Member(NamedTuple):
    """One member. ``label`` is unique, ``name`` may not be; ``offset`` is where its packed data
    lie in the archive's source. ``size`` is only what the directory claims."""

    name: str
    label: str
    offset: int
    packed: Source
    size: int
    method: int
    crc32: int

    def load(self, limit: int) -> Source:
        """The bytes, unpacked at once if they are packed; ``FileError`` where they cannot be."""
        return inflate.in_memory(self.packed, self.method, limit)

    def open(self) -> Source:
        """The bytes, unpacked as they are read."""
        return inflate.on_demand(self.packed, self.method, self.size)

    @property
    def stored(self) -> bool:
        return self.method == records.STORED

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/") and self.size == 0


class Archive:
    """Members in directory order, and the map of the bytes that records take."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.findings: list[Finding] = []
        self.extents: list[Extent] = []
        #: Bytes behind the end record: its comment, or whatever else stands there.
        self.comment: Extent | None = None
        self.labels: Counter[str] = Counter()
        #: Comments and extra fields of members, by label: nothing a loader reads, room to hide in.
        self.aside: dict[str, bytes] = {}
        self._aside: set[bytes] = set()

    def put_aside(self, label: str, data: bytes) -> bool:
        """Keep bytes to look into; whether there is room. The same bytes before the data and in
        the directory count once; runs of one byte are padding."""
        if len(data) < _SHORTEST or len(set(data)) == 1 or data in self._aside:
            return True
        if len(self._aside) >= _MOST_ASIDE:
            return False
        self._aside.add(data)
        self.aside[f"{label} (extra)#{len(self.aside)}"] = data
        return True

    def label(self, name: str) -> str:
        """The name, with a number from the second member of that name on."""
        self.labels[name] += 1
        count = self.labels[name]
        return name if count == 1 else f"{name}#{count}"


def plausible(source: Source) -> bool:
    return source.peek(0, 4) == records.LOCAL or (
        source.size >= 22 and records.end(source) is not None
    )


def read(source: Source, place: Place) -> Archive | None:
    """The archive, or None when there is no directory to go by."""
    end = records.end(source)
    if end is None:
        return None
    archive = Archive()
    found = _directories(source, end, place, archive)
    if found is None:
        return None
    _end_record(end, place, archive)
    seen: dict[int, Central] = {}
    for shift, entry in found:
        # Two directories that agree on a member are no news.
        if seen.get(entry.header + shift) == entry:
            continue
        seen[entry.header + shift] = entry
        _member(source, entry, shift, place, archive)
    _names(archive, place)
    _overlaps(archive, place)
    return archive


# -- directories ---------------------------------------------------------------------------------


def _directories(
    source: Source, end: End, place: Place, archive: Archive
) -> list[tuple[int, Central]] | None:
    """The entries with the shift of their offsets: torch takes the directory where the end record
    says it is, Python the one that ends where the end record begins."""
    python = end.start - end.directory_size
    shift = python - end.directory
    readings: list[tuple[int, list[Central]]] = []
    for offset, moved in dict.fromkeys(((end.directory, 0), (python, shift))):
        try:
            size = min(end.directory_size, max(end.start - offset, 0))
            entries = list(records.directory(source, offset, size, place.limits.members))
        except FileError as error:
            if error.code == "zip.too_many":
                archive.findings.append(finding("zip-too-many", member=place.member))
                return []
            continue
        if entries or not end.entries:
            readings.append((moved, entries))
            archive.extents.append(Extent(offset, size, Part.HEADER))
    if not readings:
        return None
    if shift and any(moved for moved, _ in readings):
        archive.findings.append(finding("zip-prefix", f"{shift} bytes.", member=place.member))
    if len(readings) == 2 and readings[0][1] != readings[1][1]:
        archive.findings.append(finding("zip-two-directories", member=place.member))
    # A claim that is not true makes Python read fewer members than torch, or more.
    if len(readings[-1][1]) != end.entries:
        detail = f"{len(readings[-1][1])} members, not {end.entries}."
        archive.findings.append(finding("zip-record-mismatch", detail, member=place.member))
    return [(moved, entry) for moved, entries in readings for entry in entries]


def _end_record(end: End, place: Place, archive: Archive) -> None:
    fixed = end.offset + 22
    archive.extents.append(Extent(end.start, fixed - end.start, Part.HEADER))
    if end.comment:
        archive.comment = Extent(fixed, len(end.comment), Part.OTHER)
        archive.extents.append(archive.comment)
        rule = "zip-comment" if len(end.comment) == end.comment_claimed else "zip-trailing"
        archive.findings.append(
            finding(
                rule,
                member=place.member,
                offset=fixed,
                argument=end.comment[:200].decode("latin-1"),
            )
        )


# -- members -------------------------------------------------------------------------------------


def _text(name: bytes, flags: int) -> str:
    """Python decodes as UTF-8 when the flag says so, else as cp437; torch takes the bytes. ASCII
    is the same for all."""
    try:
        return name.decode("utf-8" if flags & records.UTF8 else "ascii")
    except UnicodeDecodeError:
        return name.decode("cp437")


def _member(source: Source, entry: Central, shift: int, place: Place, archive: Archive) -> None:
    # Readers in C end a name at a NUL, and so does Python's.
    name = _text(entry.name, entry.flags).split("\0", 1)[0]
    label = place.label(archive.label(name))

    def odd(rule: str, detail: str = "") -> None:
        if len(archive.findings) < place.limits.findings:
            archive.findings.append(
                finding(rule, detail, member=label, offset=entry.header + shift)
            )

    try:
        local = records.local(source, entry.header + shift)
    except FileError as error:
        odd("zip-broken-record", error.message)
        return
    for rule, detail in (
        *_entry_oddities(entry), *_contradictions(entry, local), *_extras(entry, local),
    ):  # fmt: skip
        odd(rule, detail)
    names = (name for name in (entry.name, local.name) if min(name, default=32) < 32)
    told = {entry.size, entry.packed, entry.header, local.size, local.packed}
    bodies = (*_bodies(entry.extra, told), *_bodies(local.extra, told))
    for data in (entry.comment, *bodies, *names):
        if not archive.put_aside(label, data):
            odd("limit-reached", "Too many comments and extra fields.")
    if local.data + entry.packed > source.size:
        odd("zip-broken-record", "Its data end beyond the file.")
        # Python's reader takes what there is: a deflate stream knows its own end.
        entry = entry._replace(packed=max(source.size - local.data, 0))
    _claim(source, entry, local, archive)
    for method, size in _ways(source, entry, local):
        packed = source.window(local.data, size)
        archive.members.append(
            Member(name, label, local.data, packed, entry.size, method, entry.crc32)
        )
        # A second way to read the same bytes is a second member.
        label = place.label(archive.label(name))


def _ways(source: Source, entry: Central, local: Local) -> list[tuple[int, int]]:
    """Method and packed size as the directory has them, and as a reader would that goes by the
    header before the data."""
    ways = [(entry.method, entry.packed), (local.method, entry.packed)]
    if 0 < local.packed <= source.size - local.data:
        ways.append((local.method, local.packed))
    return list(dict.fromkeys(ways))


def _bodies(extra: bytes, told: set[int]) -> Iterator[bytes]:
    """What the fields hold. A large member's sizes are numbers that we have read: as opcodes they
    may spell anything."""
    for tag, body in records.fields(extra):
        if tag != records.ZIP64 or not records.numbers(body) <= told:
            yield body


def _extras(entry: Central, local: Local) -> Iterator[tuple[str, str]]:
    """Extra fields that no writer makes, or that give the member another name."""
    tags: set[int] = set()
    for extra in dict.fromkeys((entry.extra, local.extra)):
        for tag, body in records.fields(extra):
            if tag not in _KNOWN_EXTRA and tag not in tags:
                what = "what is no field" if tag < 0 else f"field {tag:#06x}"
                yield "zip-extra", f"{len(body)} bytes of {what}."
            tags.add(tag)
            if tag == _UNICODE_PATH and body[5:] != entry.name:
                yield "zip-name-mismatch", f"{body[5:105]!r} in a field of its own."


def _claim(source: Source, entry: Central, local: Local, archive: Archive) -> None:
    archive.extents.append(Extent(local.offset, local.data - local.offset, Part.HEADER))
    after = local.data + entry.packed
    if (entry.flags | local.flags) & records.HAS_DESCRIPTOR:
        size = records.descriptor_size(source, entry, after)
        if size:
            archive.extents.append(Extent(after, size, Part.HEADER))


def _entry_oddities(entry: Central) -> list[tuple[str, str]]:
    odd: list[tuple[str, str]] = []
    if entry.comment:
        odd.append(("zip-comment", ""))
    if min(entry.name, default=32) < 32:
        odd.append(("zip-unsafe-name", "A control character within."))
    if entry.disk:
        odd.append(("zip-record-mismatch", f"It lies on disk {entry.disk}."))
    if entry.is_link:
        odd.append(("zip-link", ""))
    if entry.method not in inflate.METHODS:
        odd.append(("zip-method", f"Method {entry.method}."))
    elif entry.method in (records.BZIP2, records.LZMA):
        odd.append(("zip-odd-method", f"Method {entry.method}."))
    if entry.size > _BOMB_BYTES and entry.size > _BOMB_RATIO * max(entry.packed, 1):
        odd.append(("zip-bomb", f"{entry.packed} bytes become {entry.size}."))
    return odd


def _contradictions(entry: Central, local: Local) -> list[tuple[str, str]]:
    odd: list[tuple[str, str]] = []
    flags = entry.flags | local.flags
    if flags & records.ENCRYPTED:
        odd.append(("zip-encrypted", ""))
    if flags & ~(_HARMLESS_FLAGS | records.ENCRYPTED):
        odd.append(("zip-flags", f"{flags:#06x}."))
    if entry.name != local.name:
        odd.append(("zip-name-mismatch", f"{local.name[:100]!r} before its data."))
    if entry.flags & ~records.UTF8 != local.flags & ~records.UTF8:
        odd.append(("zip-record-mismatch", f"Flags {entry.flags:#06x} and {local.flags:#06x}."))
    if entry.method != local.method:
        odd.append(("zip-record-mismatch", f"Methods {entry.method} and {local.method}."))
    # With a descriptor the header before the data may leave these at zero.
    late = bool(flags & records.HAS_DESCRIPTOR)
    for what, ours, theirs in (
        ("CRC", entry.crc32, local.crc32),
        ("Packed sizes", entry.packed, local.packed),
        ("Sizes", entry.size, local.size),
    ):
        if ours != theirs and not (late and theirs in (0, 0xFFFFFFFF)):
            odd.append(("zip-record-mismatch", f"{what} {ours} and {theirs}."))
    if entry.method == records.STORED and entry.packed != entry.size:
        odd.append(("zip-record-mismatch", f"Stored, but {entry.packed} bytes for {entry.size}."))
    return odd


def _unsafe(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or name[1:2] == ":" or "\0" in name


def _names(archive: Archive, place: Place) -> None:
    exact: Counter[str] = Counter()
    folded: dict[str, str] = {}
    for member in archive.members:
        if _unsafe(member.name):
            archive.findings.append(finding("zip-unsafe-name", member=member.label))
        exact[member.name] += 1
        if exact[member.name] == 2:
            archive.findings.append(finding("zip-duplicate", member=member.label))
        first = folded.setdefault(member.name.lower(), member.name)
        if first != member.name:
            archive.findings.append(
                finding("zip-case-duplicate", f"{first!r} is there too.", member=member.label)
            )


def _overlaps(archive: Archive, place: Place) -> None:
    """Members whose data share bytes with another's data or with a record."""
    spans = [(extent.offset, extent.offset + extent.size, "") for extent in archive.extents]
    data = {(member.offset, member.packed.size): member.label for member in archive.members}
    spans += [(start, start + size, label) for (start, size), label in data.items() if size]
    furthest = -1
    for start, stop, label in sorted(set(spans)):
        if start < furthest:
            archive.findings.append(
                finding("zip-overlap", member=label or place.member, offset=start)
            )
            return
        furthest = max(furthest, stop)
