"""zip archives of every kind: torch's own, TorchScript, npz, and plain ones."""

from __future__ import annotations

from typing import NamedTuple

from scanner.crc import crc32
from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import inflate, pickles, storages, table, zip_archive
from scanner.formats import zip_records as records
from scanner.formats.anomalies import finding
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place, gaps, whole
from scanner.formats.storages import Claim
from scanner.formats.zip_archive import Archive, Member
from scanner.opcodes.trace import Trace
from scanner.report import Format
from scanner.source import Source
from scanner.tensors import Storage, Tensor, TensorTable

_OBJECT = "data.pkl"
_CONSTANTS = "constants.pkl"
#: Records of torch's own that hold a few characters of text.
_SMALL_TEXT = frozenset(
    {"version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"}
)
_SMALL = 64
#: Some writers round a storage's record up; torch aligns to 64 bytes.
_ALIGNMENT = 64
#: Local headers looked for in bytes that no directory lists.
_STRAYS = 64

plausible = zip_archive.plausible


def read(source: Source, place: Place) -> Contents:
    archive = zip_archive.read(source, place)
    collector = Collector(source, place)
    if archive is None:
        collector.note("zip-no-directory")
        _strays(collector, 0, source.size)
        return collector.contents(Format.ZIP)
    collector.findings += archive.findings
    collector.extents += archive.extents
    _comment(archive, collector)
    root = _root(archive)
    objects = _objects(archive, root)
    if objects:
        return _torch(archive, root, objects, collector)
    return _plain(archive, collector)


def _comment(archive: Archive, collector: Collector) -> None:
    if archive.comment is not None:
        comment = archive.comment
        name = "comment"
        collector.stray(comment.offset, comment.size, name)
    for label, data in archive.aside.items():
        collector.search_bytes(data, label)


# -- torch ---------------------------------------------------------------------------------------


def _root(archive: Archive) -> str:
    """The folder that torch takes for the archive's name: that of the first entry."""
    first = archive.members[0].name if archive.members else ""
    return first.split("/", 1)[0] if "/" in first else ""


def _objects(archive: Archive, root: str) -> list[Member]:
    """The members that a loader may take for the object: torch's first, then the others."""
    wanted = f"{root}/{_OBJECT}".lower()
    named = [member for member in archive.members if _tail(member.name) == _OBJECT]
    return sorted(named, key=lambda member: member.name.lower() != wanted)


def _tail(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


class _Records(NamedTuple):
    """The archive's members by the name that torch asks for: no case, the first one counts."""

    by_name: dict[str, Member]
    folder: str

    def get(self, name: str) -> Member | None:
        return self.by_name.get(f"{self.folder}/{name}".lower())

    def storage(self, claim: Claim) -> Storage | None:
        member = None if storages.unsafe_key(claim.key) else self.get(f"data/{claim.key}")
        if member is None:
            return None
        return Storage(claim.key, member.size, member.open(), member.label, member.crc32)


def _torch(archive: Archive, root: str, objects: list[Member], collector: Collector) -> Contents:
    chosen = objects[0]
    folder = chosen.name.rsplit("/", 1)[0] if "/" in chosen.name else root
    by_name: dict[str, Member] = {}
    for member in archive.members:
        by_name.setdefault(member.name.lower(), member)
    found = _Records(by_name, folder)
    traces: list[Trace] = []
    for member in objects:
        traces += _pickle(member, collector)
    claims = storages.collect(tuple(traces), chosen.label)
    collector.findings += claims.findings
    used = _storage_records(found, list(claims.by_key.values()), collector)
    skipped = {member.label for member in objects} | used
    script = False
    for member in archive.members:
        if member.label not in skipped and not _is_folder(member, collector):
            script |= _other(member, folder, collector)
    big = _byteorder(found) == "big"
    # Only the object that torch would take becomes the table.
    result = next((trace.result for trace in traces if trace.member == chosen.label), None)
    built = table.build(result, found.storage, collector.place.limits, chosen.label, big_endian=big)
    collector.findings += built.findings
    if script:
        collector.note("torchscript")
    format = Format.TORCHSCRIPT if script else Format.TORCH_ZIP
    return _finished(collector, format, built.table)


def _pickle(member: Member, collector: Collector) -> tuple[Trace, ...]:
    """Every pickle of a member; its checksum is proven on the way."""
    limits = collector.place.limits
    collector.extents.append(Extent(member.offset, member.packed.size, Part.PICKLE))
    try:
        source = member.load(limits.pickle_bytes)
    except FileError as error:
        collector.failed(error, member.label)
        collector.search(member.offset, member.packed.size, f"{member.name} (packed)")
        return ()
    stream = pickles.stream(source, limits, member.label)
    collector.traces += stream.traces
    _checksum(member, source, collector)
    if stream.end < source.size and stream.broken:
        rest = source.window(stream.end, source.size - stream.end)
        collector.traces += pickles.hidden(rest, limits, f"{member.label} (rest)")
    elif stream.end < source.size:
        left = source.size - stream.end
        at = member.offset + stream.end if member.method == records.STORED else None
        collector.note("bytes-left-over", f"{left} bytes.", member=member.label, offset=at)
        rest = source.window(stream.end, left)
        collector.traces += pickles.hidden(rest, limits, f"{member.label} (rest)")
    return stream.traces


def _checksum(member: Member, source: Source, collector: Collector) -> None:
    if source.size > collector.place.limits.pickle_bytes:
        return
    crc = 0
    for chunk in source.chunks():
        crc = crc32(chunk, crc)
    if crc != member.crc32:
        collector.note("zip-crc", member=member.label, offset=member.offset)
    if source.size != member.size:
        detail = f"{source.size} bytes, not {member.size}."
        collector.note("zip-record-mismatch", detail, member=member.label, offset=member.offset)


def _storage_records(found: _Records, claims: list[Claim], collector: Collector) -> set[str]:
    """Claims the members that hold tensors; returns their labels."""
    used: set[str] = set()
    missing = 0
    for claim in claims:
        if storages.unsafe_key(claim.key) or claim.numel < 0:
            continue
        member = found.get(f"data/{claim.key}")
        if member is None:
            missing += claim.nbytes > 0
            continue
        used.add(member.label)
        collector.extents.append(Extent(member.offset, member.packed.size, Part.STORAGE, claim.key))
        if claim.nbytes != member.size:
            rule = _size_rule(member.size - claim.nbytes)
            detail = f"{claim.nbytes} bytes claimed, {member.size} there."
            collector.note(rule, detail, member=member.label, offset=member.offset)
        _pickle_in_storage(member, collector)
    if missing:
        collector.note("storage-missing", f"{missing} of {len(claims)}.")
    return used


def _size_rule(surplus: int) -> str:
    if surplus < 0:
        return "storage-bounds"
    return "storage-padding" if surplus < _ALIGNMENT else "storage-size"


def _pickle_in_storage(member: Member, collector: Collector) -> None:
    """A look at the first bytes is enough to leave nearly every storage alone."""
    if member.method != records.STORED or not _begins_as_pickle(member):
        return
    trace = pickles.trial(member.packed, collector.place.limits, member.label)
    if trace is not None and pickles.names_objects(trace):
        collector.note("pickle-in-storage", member=member.label, offset=member.offset)


def _begins_as_pickle(member: Member) -> bool:
    return pickles.begins(member.packed.peek(0, pickles.BEGINNING))


def _byteorder(found: _Records) -> str:
    member = found.get("byteorder")
    if member is None or member.size > _SMALL:
        return ""
    try:
        data = member.load(_SMALL)
        return data.read(0, data.size).decode("latin-1").strip()
    except FileError:
        return ""


def _other(member: Member, folder: str, collector: Collector) -> bool:
    """A member that is neither the object nor a tensor; whether it is TorchScript's."""
    inner = member.name[len(folder) + 1 :] if member.name.startswith(f"{folder}/") else ""
    if inner in _SMALL_TEXT and member.size <= _SMALL and _is_text(member):
        collector.extents.append(Extent(member.offset, member.packed.size, Part.OTHER))
        return False
    lower = inner.lower()
    if lower.startswith("data/") and _unused(member, collector):
        return False
    _any(member, collector)
    return lower == _CONSTANTS or lower.startswith("code/")


def _unused(member: Member, collector: Collector) -> bool:
    """A tensor's record without a tensor: plain bytes are no harm, anything else is looked into."""
    if member.method != records.STORED:
        return False
    if (
        _begins_as_pickle(member)
        or pickles.trial(member.packed, collector.place.limits, member.label) is not None
    ):
        return False
    collector.extents.append(Extent(member.offset, member.packed.size, Part.OTHER))
    collector.note("storage-unused", member=member.label, offset=member.offset)
    return True


def _is_folder(member: Member, collector: Collector) -> bool:
    """Whether the member is a folder and nothing else: some writers deflate its no bytes into
    two."""
    if not member.is_folder or not member.packed.size:
        return member.is_folder
    try:
        empty = not member.load(_SMALL).size
    except FileError:
        empty = False
    if empty:
        collector.extents.append(Extent(member.offset, member.packed.size, Part.OTHER))
    return empty


def _is_text(member: Member) -> bool:
    try:
        source = member.load(_SMALL)
    except FileError:
        return False
    data = source.read(0, source.size)
    return data.isascii() and all(32 <= byte < 127 or byte in b"\r\n" for byte in data)


# -- any other archive ---------------------------------------------------------------------------


def _any(member: Member, collector: Collector) -> Contents | None:
    """A member read as a file of its own."""
    stored = member.method == records.STORED
    limits = collector.place.limits
    try:
        large = member.size > limits.pickle_bytes
        source = member.open() if stored or large else member.load(limits.pickle_bytes)
        if not large:
            _checksum(member, source, collector)
        name = member.label.removeprefix(f"{collector.place.member}/")
        contents = collector.part(source, name, member.offset if stored else None)
    except FileError as error:
        collector.failed(error, member.label)
        # Whoever reads it takes the bytes as they are, or not at all.
        size = min(member.packed.size, limits.pickle_bytes)
        collector.search(member.offset, size, f"{member.name} (packed)")
        contents = None
    if not stored or contents is None:
        collector.extents.append(Extent(member.offset, member.packed.size, Part.OTHER))
    return contents


def _plain(archive: Archive, collector: Collector) -> Contents:
    """A zip that torch would not load: every member is read for itself."""
    if not archive.members:
        collector.note("zip-empty")
    tables: list[tuple[Member, TensorTable]] = []
    formats: set[Format] = set()
    for member in archive.members:
        if _is_folder(member, collector):
            continue
        before = len(collector.extents)
        contents = _any(member, collector)
        if contents is None:
            continue
        formats.add(contents.format)
        if contents.table is not None:
            tables.append((member, _own_keys(contents.table, member)))
            collector.extents[before:] = [
                extent._replace(key=_own_key(member, extent.key)) if extent.key else extent
                for extent in collector.extents[before:]
            ]
    format = Format.NUMPY if formats == {Format.NUMPY} else Format.ZIP
    return _finished(collector, format, _joined(tables))


def _joined(tables: list[tuple[Member, TensorTable]]) -> TensorTable | None:
    """One member's table as it is. Of several, as in a diffusers folder, each tensor goes by the
    folder that its member lies in ("unet"): shards come together, a second copy of the same names
    stays apart by its member's name."""
    if len(tables) == 1 and len(tables[0][1]) != 1:
        return tables[0][1]
    tensors: list[Tensor] = []
    taken: set[str] = set()
    for member, part in tables:
        stem = member.name.removesuffix(".npy")
        folder = _folder(member.name)
        under = [_under(folder or stem, tensor.name) for tensor in part]
        if folder and not taken.isdisjoint(under):
            under = [_under(stem, tensor.name) for tensor in part]
        taken.update(under)
        tensors += (t._replace(name=name) for t, name in zip(part, under, strict=True))
    return TensorTable(tuple(tensors)) if tables else None


def _folder(name: str) -> str:
    """The folder that a member lies in; "" where that is the archive's own."""
    return name.rsplit("/", 2)[-2] if "/" in name else ""


def _under(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if name else prefix


def _own_keys(table: TensorTable, member: Member) -> TensorTable:
    """With storages that no other member's are taken for, though both are called the same."""
    renamed: dict[int, Storage] = {}
    for tensor in table:
        old = tensor.storage
        renamed.setdefault(id(old), old._replace(key=_own_key(member, old.key)))
    tensors = tuple(t._replace(storage=renamed[id(t.storage)]) for t in table)
    return TensorTable(
        tensors, metadata=table.metadata, leaves=table.leaves, wrappers=table.wrappers,
        big_endian=table.big_endian,
    )  # fmt: skip


def _own_key(member: Member, key: str) -> str:
    return f"{member.label}!{key}"


def _finished(collector: Collector, format: Format, table: TensorTable | None) -> Contents:
    """Looks into what no record claims: another file in front, members that are not listed."""
    for gap in gaps(whole(collector.extents, collector.source.size)):
        if gap.offset == 0:
            prefix = collector.source.window(0, gap.size)
            collector.absorb(collector.place.read_nested(prefix, "prefix"))
        else:
            _strays(collector, gap.offset, gap.size)
    return collector.contents(format, table)


# -- members that no directory lists -------------------------------------------------------------


def _strays(collector: Collector, start: int, size: int) -> int:
    """Reads members by their local headers alone, in ``size`` bytes from ``start``."""
    found = at = 0
    window = collector.source.window(start, size)
    while found < _STRAYS and not collector.place.combed:
        at = _next_header(window, at)
        if at < 0:
            break
        found += 1
        at = _stray(collector, window, start, at)
    return found


def _next_header(window: Source, at: int) -> int:
    overlap = b""
    base = at
    for chunk in window.chunks(at):
        hit = (overlap + chunk).find(records.LOCAL)
        if hit >= 0:
            return base - len(overlap) + hit
        base += len(chunk)
        overlap = chunk[-3:]
    return -1


def _stray(collector: Collector, window: Source, start: int, at: int) -> int:
    """One such member; returns where to look on."""
    try:
        local = records.local(window, at)
        size = min(local.packed or window.size - local.data, window.size - local.data)
        label = local.name[:200].decode("latin-1") or "nameless"
        collector.findings.append(
            finding("zip-hidden-member", member=collector.place.label(label), offset=start + at)
        )
        packed = window.window(local.data, size)
        data = inflate.in_memory(packed, local.method, collector.place.limits.pickle_bytes)
        place = collector.place._replace(combed=True)
        collector.absorb(place.read_nested(data, label))
    except FileError:
        return at + len(records.LOCAL)
    # Not behind the data: a size that is too large would step over the next member.
    return local.data
