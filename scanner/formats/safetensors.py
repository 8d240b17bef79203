"""safetensors: a length, a JSON header and raw bytes, taken on nothing but proof."""

from __future__ import annotations

from math import prod

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import configs, json_header
from scanner.formats.anomalies import finding
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place, gaps, whole
from scanner.formats.json_header import Object
from scanner.limits import Limits
from scanner.report import Finding, Format
from scanner.source import Source
from scanner.tensors import DTYPE_BITS, Storage, Tensor, TensorTable, contiguous_stride

METADATA = "__metadata__"
#: What the length of a shape may come to: more elements than any disk holds bytes.
_MOST_ELEMENTS = 1 << 62


class _Header:
    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        #: First byte of each tensor, counted from the end of the header.
        self.begins: dict[str, int] = {}
        self.metadata: dict[str, str] = {}
        self.findings: list[Finding] = []


def plausible(source: Source) -> bool:
    """A length that leads to a JSON object; the length may be a lie, but eight letters are text."""
    head = source.peek(0, 9)
    lettered = all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head)
    return len(head) == 9 and head[8:9] == b"{" and not lettered


def data_offset(source: Source) -> int | None:
    """The end of the header by its length alone; None where there can be none."""
    if not plausible(source):
        return None
    start = 8 + int.from_bytes(source.read(0, 8), "little")
    return start if start <= source.size else None


def read(source: Source, place: Place) -> Contents:
    length = int.from_bytes(source.read(0, 8), "little")
    start = 8 + length
    if start > source.size or length > place.limits.json_header_bytes:
        detail = f"It claims {length} bytes in a file of {source.size}."
        return _broken(source, place, detail)
    try:
        value = json_header.parse(source.read(8, length), place.limits)
        if not isinstance(value, Object):
            raise FileError("json.broken", "not an object")
    except FileError as error:
        return _broken(source, place, error.message or error.code)
    header = _entries(value, source, start, place)
    extents = [Extent(0, start, Part.HEADER)]
    extents += _layout(header, source, start, place)
    mapped = whole(extents, source.size)
    collector = Collector(source, place)
    collector.findings = header.findings
    for remark in configs.of_metadata(header.metadata, place.limits):
        collector.note(remark.rule, remark.detail, argument=remark.argument)
    for gap in gaps(mapped):
        collector.stray(gap.offset, gap.size, f"bytes at {gap.offset}")
    return Contents(
        Format.SAFETENSORS,
        traces=tuple(collector.traces),
        table=TensorTable(tuple(header.tensors), metadata=header.metadata),
        extents=mapped,
        findings=tuple(header.findings),
        data_offset=start,
    )


def _broken(source: Source, place: Place, detail: str) -> Contents:
    collector = Collector(source, place)
    collector.note("safetensors-header", detail, offset=0)
    collector.search(0, min(source.size, place.limits.pickle_bytes), "bytes")
    return Contents(
        Format.SAFETENSORS,
        traces=tuple(collector.traces),
        extents=whole([], source.size),
        findings=tuple(collector.findings),
    )


def _entries(value: Object, source: Source, start: int, place: Place) -> _Header:
    header = _Header()
    seen: set[str] = set()
    for name, entry in value.pairs:
        if name in seen:
            header.findings.append(
                finding("safetensors-duplicate-key", member=place.member, argument=name[:200])
            )
            continue
        seen.add(name)
        if len(seen) > place.limits.tensors:
            header.findings.append(finding("too-many-tensors", member=place.member))
            break
        if name == METADATA:
            _metadata(entry, header, place)
            continue
        try:
            begin, tensor = _tensor(name, entry, source, start, place.limits)
            header.tensors.append(tensor)
            header.begins[name] = begin
        except FileError as error:
            header.findings.append(
                finding(
                    "safetensors-tensor", error.message, member=place.member, argument=name[:200]
                )
            )
    return header


def _metadata(entry: object, header: _Header, place: Place) -> None:
    if not isinstance(entry, Object):
        header.findings.append(finding("safetensors-metadata", member=place.member))
        return
    for key, value in entry.pairs:
        if key in header.metadata:
            rule = "safetensors-duplicate-key"
        elif isinstance(value, str):
            header.metadata[key] = value
            continue
        else:
            rule = "safetensors-metadata"
        header.findings.append(
            finding(rule, member=place.member, argument=f"{METADATA}.{key}"[:200])
        )


def _naturals(value: object, most: int) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise FileError("safetensors.tensor", "Not a list of sizes.")
    # bool is an int to Python, not to the format.
    if not all(type(item) is int and 0 <= item < _MOST_ELEMENTS for item in value):
        raise FileError("safetensors.tensor", "A size is no natural number.")
    return tuple(value)


def _tensor(
    name: str, entry: object, source: Source, start: int, limits: Limits
) -> tuple[int, Tensor]:
    if not isinstance(entry, Object):
        raise FileError("safetensors.tensor", "Not an object.")
    fields = dict(entry.pairs)
    if len(fields) != len(entry.pairs) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise FileError("safetensors.tensor", "Its fields are not dtype, shape and data_offsets.")
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise FileError("safetensors.tensor", "Its dtype is not known.")
    shape = _naturals(fields["shape"], limits.tensor_dims)
    offsets = _naturals(fields["data_offsets"], 2)
    if len(offsets) != 2:
        raise FileError("safetensors.tensor", "It has not two data offsets.")
    begin, end = offsets
    elements = prod(shape)
    if elements >= _MOST_ELEMENTS:
        raise FileError("safetensors.tensor", "Its shape overflows.")
    if begin > end or start + end > source.size:
        raise FileError("safetensors.tensor", "Its bytes are not in the file.")
    if (elements * DTYPE_BITS[dtype]) != (end - begin) * 8:
        raise FileError("safetensors.tensor", "Its shape and its bytes do not agree.")
    storage = Storage(name, end - begin, source.window(start + begin, end - begin))
    return begin, Tensor(name, dtype, shape, contiguous_stride(shape), storage, path=(name,))


def _layout(header: _Header, source: Source, start: int, place: Place) -> list[Extent]:
    """The tensors in file order, one after the other without overlap or hole to the end."""
    extents: list[Extent] = []
    at = start
    header.tensors.sort(key=lambda tensor: (header.begins[tensor.name], tensor.nbytes))
    for tensor in header.tensors:
        offset = start + header.begins[tensor.name]
        # A tensor without elements takes no place, wherever it says it lies.
        if not tensor.nbytes:
            continue
        if offset < at:
            header.findings.append(
                finding(
                    "safetensors-overlap", member=place.member, offset=offset, argument=tensor.name
                )
            )
        elif offset > at:
            header.findings.append(
                finding("safetensors-hole", f"{offset - at} bytes.", member=place.member, offset=at)
            )
        extents.append(Extent(offset, tensor.nbytes, Part.STORAGE, tensor.storage.key))
        at = max(at, offset + tensor.nbytes)
    if at < source.size:
        left = f"{source.size - at} bytes."
        header.findings.append(
            finding("safetensors-trailing", left, member=place.member, offset=at)
        )
    return extents
