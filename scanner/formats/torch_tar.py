"""torch's first format: a tar of ``sys_info``, ``pickle``, ``tensors`` and ``storages``.

``torch.load`` unpickles each of them, before version 2.6 even with ``weights_only``
(CVE-2025-32434).
"""

from __future__ import annotations

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import pickles, table, tar
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.formats.storages import key_of, natural
from scanner.formats.torch_types import Element, storage_element
from scanner.opcodes import machine
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import (
    Call,
    Const,
    DictValue,
    Global,
    ListValue,
    Persistent,
    TupleValue,
    Value,
)
from scanner.report import Format
from scanner.source import Source
from scanner.tensors import Storage

_RECORDS = frozenset({"sys_info", "pickle", "tensors", "storages"})
_MOST_DIMS = 64
plausible = tar.plausible


class _Parts:
    """What the records say: the storages by key, and a rebuild call for each tensor's key."""

    def __init__(self) -> None:
        self.elements: dict[str, tuple[Element, Global, int]] = {}
        self.storages: dict[str, Storage] = {}
        self.tensors: dict[str, Call] = {}


def read(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    found = _entries(collector)
    if not _RECORDS & found.keys():
        for entry in found.values():
            name = entry.name
            collector.part(source.window(entry.data, entry.size), name, entry.data)
        return collector.contents(Format.ARCHIVE)
    collector.note("torch-tar")
    parts = _Parts()
    for record in ("sys_info", "storages", "tensors", "pickle"):
        if record in found:
            _record(record, found.pop(record), parts, collector)
    for entry in found.values():
        collector.note("unknown-member", member=place.label(entry.name), offset=entry.data)
        collector.part(source.window(entry.data, entry.size), entry.name, entry.data)
    result = next((t.result for t in collector.traces if t.member == place.label("pickle")), None)
    built = table.build(
        _joined(result, parts), lambda claim: parts.storages.get(claim.key), place.limits,
        place.label("pickle"),
    )  # fmt: skip
    collector.findings += built.findings
    return collector.contents(Format.TORCH_TAR, built.table)


def _entries(collector: Collector) -> dict[str, tar.Entry]:
    """The files by name, with the records of all members claimed; the last of a name counts."""
    found: dict[str, tar.Entry] = {}
    end = 0
    place = collector.place
    try:
        for entry in tar.entries(collector.source, place.limits.members):
            end = entry.end
            label = place.label(entry.name)
            collector.extents.append(Extent(entry.header, tar.BLOCK, Part.HEADER))
            padding = end - entry.data - entry.size
            collector.extents.append(Extent(entry.data + entry.size, padding, Part.PADDING))
            if entry.kind in b"Lxg":
                collector.extents.append(Extent(entry.data, entry.size, Part.HEADER))
            elif entry.is_file:
                if entry.name in found:
                    collector.note("tar-duplicate", member=label, offset=entry.header)
                    earlier = found[entry.name]
                    collector.part(
                        collector.source.window(earlier.data, earlier.size), entry.name,
                        earlier.data,
                    )  # fmt: skip
                found[entry.name] = entry
            elif not entry.is_folder:
                collector.note("tar-link", member=label, offset=entry.header)
            if entry.name.startswith("/") or ".." in entry.name.split("/"):
                collector.note("tar-unsafe-name", member=label, offset=entry.header)
    except FileError as error:
        collector.failed(error, rule="tar-broken")
    _end_marker(end, collector)
    return found


def _end_marker(end: int, collector: Collector) -> None:
    """Two blocks of zeros, and more of them to fill a record of 10,240 bytes."""
    size = min(collector.source.size - end, 20 * tar.BLOCK)
    if size < 2 * tar.BLOCK:
        collector.note("truncated", "The archive's end marker is missing.", offset=end)
    if size > 0 and not any(collector.source.read(end, size)):
        collector.extents.append(Extent(end, size, Part.PADDING))


def _record(record: str, entry: tar.Entry, parts: _Parts, collector: Collector) -> None:
    label = collector.place.label(record)
    window = collector.source.window(entry.data, entry.size)
    reader = _Reader(window, entry.data, label, collector)
    try:
        if record == "storages":
            _read_storages(reader, parts)
        elif record == "tensors":
            _read_tensors(reader, parts)
    except FileError as error:
        collector.failed(error, label, "tar-broken")
    # Whatever is left is read as pickles: that is what a loader would go on to do.
    stream = pickles.stream(window, collector.place.limits, label, reader.at)
    collector.traces += stream.traces
    collector.extents.append(Extent(entry.data + reader.at, stream.end - reader.at, Part.PICKLE))


class _Reader:
    """A record read pickle by pickle, with raw bytes between them."""

    def __init__(
        self, source: Source, base: int, label: str, collector: Collector, at: int = 0
    ) -> None:
        self.source = source
        self.base = base
        self.label = label
        self.collector = collector
        self.at = at

    def pickle(self) -> Trace:
        collector = self.collector
        trace = machine.trace(self.source, self.at, collector.place.limits, member=self.label)
        collector.traces.append(trace)
        end = max(trace.end, self.at)
        collector.extents.append(Extent(self.base + self.at, end - self.at, Part.PICKLE))
        self.at = end
        if pickles.is_fatal(trace):
            raise FileError("tar.pickle", "a pickle in it is broken")
        return trace

    def raw(self, size: int, part: Part = Part.HEADER, key: str = "") -> int:
        """Steps over ``size`` bytes; returns where they begin."""
        start = self.at
        if size < 0 or start + size > self.source.size:
            raise FileError("tar.record", "it ends too early")
        self.collector.extents.append(Extent(self.base + start, size, part, key))
        self.at += size
        return start


def _count(trace: Trace, most: int) -> int:
    count = natural(trace.result)
    if count is None or not 0 <= count <= most:
        raise FileError("tar.count", "a count that is none")
    return count


def _read_storages(reader: _Reader, parts: _Parts) -> None:
    """A count; then for each storage a pickle (key, location, type), its element count and its
    elements; behind them the pickle of the views."""
    for _ in range(_count(reader.pickle(), reader.collector.place.limits.tensors)):
        value = reader.pickle().result
        if not isinstance(value, TupleValue) or len(value.items) != 3:
            raise FileError("tar.storage", "a storage's key is no triple")
        key, kind = key_of(value.items[0]), value.items[2]
        element = storage_element(kind.module, kind.name) if isinstance(kind, Global) else None
        if key is None or element is None or not isinstance(kind, Global):
            raise FileError("tar.storage", "a storage's type is not known")
        at = reader.raw(8)
        numel = int.from_bytes(reader.source.read(at, 8), "little", signed=True)
        start = reader.raw(numel * element.size, Part.STORAGE, key)
        body = reader.source.window(start, numel * element.size)
        parts.elements[key] = element, kind, numel
        parts.storages[key] = Storage(key, body.size, body, reader.label)
    _read_views(reader.pickle(), parts)


def _read_views(trace: Trace, parts: _Parts) -> None:
    """A list of (key, root's key, first element, elements): storages within others."""
    views = trace.result
    if not isinstance(views, ListValue):
        raise FileError("tar.views", "the storages' views are no list")
    for view in views.items:
        if not isinstance(view, TupleValue) or len(view.items) != 4:
            raise FileError("tar.views", "a storage's view is no quadruple")
        key, root_key = key_of(view.items[0]), key_of(view.items[1])
        first, numel = natural(view.items[2]), natural(view.items[3])
        known = parts.elements.get(root_key or "")
        if key is None or root_key is None or first is None or numel is None or known is None:
            raise FileError("tar.views", "a storage's view is not sane")
        element, kind, most = known
        if min(first, numel) < 0 or first + numel > most:
            raise FileError("tar.views", "a view beyond its storage")
        root = parts.storages[root_key]
        body = root.source.window(first * element.size, numel * element.size)
        parts.elements[key] = element, kind, numel
        parts.storages[key] = Storage(key, body.size, body, root.member)


def _read_tensors(reader: _Reader, parts: _Parts) -> None:
    """A count; then for each tensor a pickle (key, storage's key, type), the number of dimensions
    in four bytes, four more, sizes, strides and offset in eight bytes each."""
    for _ in range(_count(reader.pickle(), reader.collector.place.limits.tensors)):
        value = reader.pickle().result
        if not isinstance(value, TupleValue) or len(value.items) != 3:
            raise FileError("tar.tensor", "a tensor's key is no triple")
        key, storage = key_of(value.items[0]), key_of(value.items[1])
        at = reader.raw(8)
        dims = int.from_bytes(reader.source.read(at, 4), "little")
        if key is None or storage is None or dims > _MOST_DIMS:
            raise FileError("tar.tensor", "a tensor's record is not sane")
        at = reader.raw(8 * (2 * dims + 1))
        data = reader.source.read(at, 8 * (2 * dims + 1))
        numbers = [
            Const(int.from_bytes(data[i : i + 8], "little", signed=True))
            for i in range(0, len(data), 8)
        ]
        known = parts.elements.get(storage)
        if known is not None:
            parts.tensors[key] = _rebuild(storage, known, numbers, dims)


def _rebuild(key: str, known: tuple[Element, Global, int], numbers: list[Const], dims: int) -> Call:
    """The call that today's torch would write for such a tensor."""
    _, kind, numel = known
    persistent = Persistent(
        TupleValue((Const("storage"), kind, Const(key), Const("cpu"), Const(numel)))
    )
    sizes, strides = tuple(numbers[:dims]), tuple(numbers[dims : 2 * dims])
    return Call(
        Global("torch._utils", "_rebuild_tensor"),
        (persistent, numbers[-1], TupleValue(sizes), TupleValue(strides)),
        None, "REDUCE", 0,
    )  # fmt: skip


def _joined(result: Value | None, parts: _Parts) -> Value | None:
    """The object with each tensor's persistent id replaced by the tensor: two levels of dicts
    and lists, which is what state dicts of that time have."""
    return _replaced(result, parts, 4) if result is not None else None


def _replaced(value: Value, parts: _Parts, depth: int) -> Value:
    if isinstance(value, Persistent):
        return parts.tensors.get(key_of(value.id) or "", value)
    if depth == 0:
        return value
    if isinstance(value, DictValue):
        return DictValue([(key, _replaced(item, parts, depth - 1)) for key, item in value.items])
    if isinstance(value, ListValue):
        return ListValue([_replaced(item, parts, depth - 1) for item in value.items])
    if isinstance(value, Call) and (value.items or value.args):
        items = [(key, _replaced(item, parts, depth - 1)) for key, item in value.items]
        arguments = tuple(_replaced(item, parts, depth - 1) for item in value.args)
        made = Call(value.callee, arguments, value.kwargs, value.opcode, value.offset)
        made.states, made.items = value.states, items
        return made
    if isinstance(value, TupleValue):
        return TupleValue(tuple(_replaced(item, parts, depth - 1) for item in value.items))
    return value
