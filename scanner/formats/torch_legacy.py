"""torch's format before zip: five pickles (magic, protocol, system, object, storage keys), then
each storage as its element count in eight bytes and its elements."""

from __future__ import annotations

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import pickles, storages, table
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.formats.storages import Claim, key_of
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import ListValue, Value
from scanner.report import Format
from scanner.source import Source
from scanner.tensors import Storage

_PICKLES = 5
_OBJECT, _KEYS = 3, 4


def is_legacy(traces: tuple[Trace, ...]) -> bool:
    """Whether a stream of pickles begins with torch's magic number."""
    return bool(traces) and pickles.is_torch_magic(traces[0])


def read(source: Source, place: Place, stream: pickles.Stream) -> Contents:
    """``stream`` is what was read from the file's start: at least the magic number."""
    collector = Collector(source, place)
    traces = stream.traces[:_PICKLES]
    collector.traces += traces
    end = traces[-1].end
    collector.extents.append(Extent(0, end, Part.PICKLE))
    if len(traces) < _PICKLES or any(pickles.is_fatal(trace) for trace in traces):
        # The machine's own finding says where it broke; what follows cannot be mapped.
        collector.note("legacy-broken", f"{len(traces)} of {_PICKLES} pickles.", offset=end)
        return collector.contents(Format.TORCH_LEGACY)
    claims = storages.collect(traces, place.member)
    collector.findings += claims.findings
    located = _storages(traces[_KEYS].result, claims.by_key, end, collector)
    # torch writes these storages little-endian on any machine, whatever the third pickle says.
    built = table.build(traces[_OBJECT].result, _locator(located), place.limits, place.member)
    collector.findings += built.findings
    return collector.contents(Format.TORCH_LEGACY, built.table)


def _storages(
    keys: Value | None, claims: dict[str, Claim], at: int, collector: Collector
) -> dict[str, Storage]:
    """The storages in the order of the keys pickle, each proven to lie in the file."""
    located: dict[str, Storage] = {}
    source = collector.source
    for value in keys.items if isinstance(keys, ListValue) else []:
        key = key_of(value)
        claim = claims.get(key or "")
        if key is None or claim is None or key in located:
            # Without a claim nobody knows the element's size, and so where the next one lies.
            collector.note("legacy-broken", f"Storage key {str(key)[:80]!r}.", offset=at)
            break
        try:
            # The count, and in the same read the first bytes: there are thousands of storages.
            head = source.peek(at, 8 + pickles.BEGINNING)
            if len(head) < 8:
                raise FileError("read.beyond_end", f"bytes {at}+8 of {source.size}")
            numel = int.from_bytes(head[:8], "little", signed=True)
            if numel != claim.numel:
                detail = f"{claim.numel} elements claimed, {numel} there."
                collector.note("storage-bounds", detail, offset=at, argument=key[:200])
                break
            body = source.window(at + 8, claim.nbytes)
        except FileError as error:
            collector.failed(error, rule="truncated")
            break
        collector.extents.append(Extent(at, 8, Part.HEADER))
        collector.extents.append(Extent(at + 8, claim.nbytes, Part.STORAGE, key))
        located[key] = Storage(key, claim.nbytes, body, collector.place.member)
        if pickles.begins(head[8 : 8 + claim.nbytes]):
            _pickle_in_storage(located[key], collector)
        at += 8 + claim.nbytes
    missing = len(claims.keys() - located.keys())
    if missing:
        collector.note("storage-missing", f"{missing} of {len(claims)}.")
    return located


def _pickle_in_storage(storage: Storage, collector: Collector) -> None:
    trace = pickles.trial(storage.source, collector.place.limits, collector.place.member)
    if trace is not None and pickles.names_objects(trace):
        collector.note(
            "pickle-in-storage", offset=storage.source.file_offset, argument=storage.key[:200]
        )


def _locator(located: dict[str, Storage]) -> storages.Locate:
    """A view is a storage of its own that begins within its root's bytes."""

    def locate(claim: Claim) -> Storage | None:
        root = located.get(claim.key)
        if root is None or claim.view is None:
            return root
        _, first, elements = claim.view
        start, size = first * claim.element.size, elements * claim.element.size
        if first < 0 or elements < 0 or start + size > root.nbytes:
            raise FileError("storage.view", "a view beyond its storage")
        return Storage(root.key, size, root.source.window(start, size), root.member)

    return locate
