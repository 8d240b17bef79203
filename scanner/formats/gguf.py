"""GGUF: key-value fields, then tensors' names, shapes (innermost dimension first) and places."""

from __future__ import annotations

import struct
from math import prod

from scanner.errors import FileError, LimitExceeded
from scanner.extents import Extent, Part
from scanner.formats import configs
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.report import Format
from scanner.source import Source
from scanner.tensors import Storage, Tensor, TensorTable, contiguous_stride

MAGIC = b"GGUF"
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_U32, _STRING, _ARRAY = 4, 8, 9
_MOST_TEMPLATES = 1_000
_MOST_FIELDS = 100_000
_MOST_ITEMS = 5_000_000
_DIMS = 4
_ALIGNMENT = 32

#: ggml's types: name, elements of a block, bytes of a block.
_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2),
    26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip


class _Cursor:
    def __init__(self, source: Source, limits_string: int, at: int = 0) -> None:
        self.source = source
        self.limits_string = limits_string
        self.at = at

    def number(self, code: str) -> int | float | bool:
        size = struct.calcsize(f"<{code}")
        (value,) = struct.unpack(f"<{code}", self.source.read(self.at, size))
        self.at += size
        assert isinstance(value, (int, float))
        return value

    def whole(self, code: str = "Q") -> int:
        return int(self.number(code))

    def text(self) -> str:
        length = self.whole()
        if length > self.limits_string:
            raise LimitExceeded("string_bytes", self.limits_string, f"a string of {length} bytes")
        data = self.source.read(self.at, length)
        self.at += length
        return data.decode("utf-8", "replace")


class _Header:
    def __init__(self) -> None:
        self.metadata: dict[str, str] = {}
        #: Chat templates by key; of a key that is there twice, both.
        self.templates: list[tuple[str, str]] = []
        self.repeated: list[str] = []
        self.alignment = _ALIGNMENT
        self.infos: list[tuple[str, tuple[int, ...], int, int]] = []


def plausible(source: Source) -> bool:
    return source.peek(0, 4) == MAGIC


def read(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    cursor = _Cursor(source, place.limits.string_bytes, 4)
    header = _Header()
    try:
        _header(cursor, header, place)
    except FileError as error:
        collector.failed(error, rule="gguf-header")
        _templates(header, collector)
        return collector.contents(Format.GGUF)
    collector.extents.append(Extent(0, cursor.at, Part.HEADER))
    _templates(header, collector)
    start = _aligned(cursor.at, header.alignment)
    if header.infos:
        _padding(cursor.at, start - cursor.at, collector)
    tensors = _tensors(header, start, collector)
    return collector.contents(Format.GGUF, TensorTable(tuple(tensors), metadata=header.metadata))


def _aligned(at: int, alignment: int) -> int:
    return (at + alignment - 1) // alignment * alignment


def _padding(start: int, size: int, collector: Collector) -> None:
    if size and not any(collector.source.peek(start, size)):
        collector.extents.append(Extent(start, size, Part.PADDING))


def _header(cursor: _Cursor, header: _Header, place: Place) -> None:
    version = cursor.whole("I")
    if version not in (2, 3):
        big = version in (2 << 24, 3 << 24)
        raise FileError("gguf.version", "Big-endian." if big else f"Version {version}.")
    tensors, fields = cursor.whole(), cursor.whole()
    if tensors > place.limits.tensors or fields > _MOST_FIELDS:
        raise LimitExceeded("tensors", place.limits.tensors, f"{tensors} tensors, {fields} fields")
    for _ in range(fields):
        key = cursor.text()
        kind = cursor.whole("I")
        value = _value(cursor, kind, header if "chat_template" in key else None)
        if key in header.metadata:
            header.repeated.append(key)
        header.metadata[key] = value
        if "chat_template" in key:
            header.templates.append((key, value))
        if key == "general.alignment":
            if kind != _U32:
                raise FileError("gguf.alignment", "An alignment of a wrong type.")
            header.alignment = int(value)
    if not (0 < header.alignment <= 1 << 20 and header.alignment % 8 == 0):
        raise FileError("gguf.alignment", f"Alignment {header.alignment}.")
    for _ in range(tensors):
        name = cursor.text()
        dims = cursor.whole("I")
        if dims > _DIMS:
            raise FileError("gguf.dims", f"{dims} dimensions.")
        shape = tuple(cursor.whole() for _ in range(dims))
        header.infos.append((name, tuple(reversed(shape)), cursor.whole("I"), cursor.whole()))


def _value(cursor: _Cursor, kind: int, templates: _Header | None = None) -> str:
    """The value as text; of an array only its length, but for the texts of ``templates``."""
    if kind in _SCALARS:
        return str(cursor.number(_SCALARS[kind]))
    if kind == _STRING:
        return cursor.text()
    if kind != _ARRAY:
        raise FileError("gguf.type", f"Field type {kind}.")
    inner, count = cursor.whole("I"), cursor.whole()
    if count > _MOST_ITEMS:
        raise LimitExceeded("gguf_items", _MOST_ITEMS, f"an array of {count}")
    if inner in _SCALARS:
        size = count * struct.calcsize(f"<{_SCALARS[inner]}")
        cursor.source.window(cursor.at, size)
        cursor.at += size
        return f"[{count} numbers]"
    if inner != _STRING:
        raise FileError("gguf.type", f"An array of type {inner}.")
    # Tokens by the hundred thousand: only their length is of interest.
    for _ in range(count):
        if templates is not None and len(templates.templates) < _MOST_TEMPLATES:
            templates.templates.append(("chat_template", cursor.text()))
            continue
        length = cursor.whole()
        cursor.source.window(cursor.at, length)
        cursor.at += length
    return f"[{count} strings]"


def _templates(header: _Header, collector: Collector) -> None:
    """Chat templates are run by a template engine: what leaves its sandbox is code."""
    for key in header.repeated[: collector.place.limits.findings]:
        collector.note("gguf-duplicate-key", argument=key[:200])
    for key, value in header.templates:
        for remark in configs.template(value, key):
            collector.note(remark.rule, remark.detail, argument=remark.argument)


def _tensors(header: _Header, start: int, collector: Collector) -> list[Tensor]:
    source = collector.source
    tensors: list[Tensor] = []
    seen: set[str] = set()
    end = start
    for name, shape, kind, offset in sorted(header.infos, key=lambda info: info[3]):
        known = _TYPES.get(kind)
        elements = prod(shape)
        at = start + offset
        if known is None or elements >= 1 << 62 or elements % known[1] or name in seen:
            collector.note("gguf-tensor", argument=name[:200])
            continue
        dtype, per_block, block = known
        nbytes = elements // per_block * block
        if offset % header.alignment or at + nbytes > source.size:
            rule = "truncated" if not offset % header.alignment else "gguf-tensor"
            collector.note(rule, argument=name[:200])
            continue
        if at < end and nbytes:
            collector.note("safetensors-overlap", offset=at, argument=name[:200])
        elif at - end < header.alignment:
            _padding(end, at - end, collector)
        seen.add(name)
        end = max(end, at + nbytes)
        storage = Storage(name, nbytes, source.window(at, nbytes))
        packed = None if per_block == 1 else nbytes
        collector.extents.append(Extent(at, nbytes, Part.STORAGE, name))
        tensors.append(
            Tensor(
                name,
                dtype,
                shape,
                contiguous_stride(shape),
                storage,
                path=(name,),
                packed_bytes=packed,
            )
        )
    if 0 < source.size - end < header.alignment:
        _padding(end, source.size - end, collector)
    return tensors
