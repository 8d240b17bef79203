"""numpy's .npy: a header that is a Python literal, then the array, or a pickle of objects."""

from __future__ import annotations

import ast
import re
from math import prod
from typing import NamedTuple

from scanner.errors import FileError
from scanner.extents import Extent, Part
from scanner.formats import pickles
from scanner.formats.collector import Collector
from scanner.formats.contents import Contents, Place
from scanner.report import Format
from scanner.source import Source
from scanner.tensors import Storage, Tensor, TensorTable, contiguous_stride

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 20
_ENTRY = re.compile(
    r"\s*\{\s*'descr':\s*(?P<descr>'[^']*'|\[.*\])\s*,\s*"
    r"'fortran_order':\s*(?P<fortran>True|False)\s*,\s*"
    r"'shape':\s*\((?P<shape>[\d\s,L]*)\)\s*,?\s*\}\s*$",
    re.DOTALL,
)
_DTYPES = {
    "b1": "BOOL", "u1": "U8", "i1": "I8", "u2": "U16", "i2": "I16", "u4": "U32", "i4": "I32",
    "u8": "U64", "i8": "I64", "f2": "F16", "f4": "F32", "f8": "F64", "c8": "C64", "c16": "C128",
}  # fmt: skip
_DIGITS = 18
#: Element types that hold no objects. Anything else may be spelt in a way that means "O".
_PLAIN = re.compile(r"[<>=|]?(?:[?bhilqpBHILQPefdgFDGSUaVMm]|[biufcSUaVMm]\d+)(?:\[\w+\])?")
_LONGEST_LITERAL = 64 * 1024


def plausible(source: Source) -> bool:
    return source.peek(0, 6) == MAGIC


def read(source: Source, place: Place) -> Contents:
    collector = Collector(source, place)
    try:
        start, header = _header(source)
        match = _ENTRY.match(header)
        if match is None:
            raise FileError("numpy.header", "Its fields are not descr, fortran_order and shape.")
    except FileError as error:
        collector.failed(error, rule="numpy-header")
        collector.search(0, source.size, "array")
        return collector.contents(Format.NUMPY)
    collector.extents.append(Extent(0, start, Part.HEADER))
    table = None
    kind = _kind(match["descr"])
    if kind.objects:
        _objects(source, start, collector)
    else:
        table = _array(source, start, match, kind.size, collector)
    return collector.contents(Format.NUMPY, table)


def _header(source: Source) -> tuple[int, str]:
    major = source.read(6, 1)[0]
    width = 2 if major == 1 else 4
    if major not in (1, 2, 3):
        raise FileError("numpy.version", f"Version {major}.")
    length = int.from_bytes(source.read(8, width), "little")
    if length > _LONGEST_HEADER:
        raise FileError("numpy.header", f"It claims {length} bytes.")
    text = source.read(8 + width, length)
    return 8 + width + length, text.decode("latin-1")


class _Kind(NamedTuple):
    """What the element type comes to: whether numpy might take it for one of objects, and so load
    a pickle; the bytes of an element, None where we cannot tell."""

    objects: bool
    size: int | None


_OBJECTS = _Kind(True, None)


def _kind(descr: str) -> _Kind:
    if len(descr) > _LONGEST_LITERAL:
        return _OBJECTS
    try:
        parts: list[object] = [ast.literal_eval(descr)]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return _OBJECTS
    size: int | None = 0
    while parts:
        part = parts.pop()
        match part:
            case str():
                if not _PLAIN.fullmatch(part):
                    return _OBJECTS
                one = _size(part)
                size = None if size is None or one is None else size + one
            case list():
                parts += part
            case (_, kind):
                parts.append(kind)
            case (_, kind, _):
                # An array within the element: how large, only numpy knows.
                parts.append(kind)
                size = None
            case _:
                return _OBJECTS
    return _Kind(False, size)


def _size(spelt: str) -> int | None:
    """Of "<f4", "|S10", "<U3", "<M8[ns]"."""
    bare = spelt.lstrip("<>=|").split("[", 1)[0]
    if not bare[1:].isdigit() or len(bare) > 9:
        return None
    return int(bare[1:]) * (4 if bare[0] == "U" else 1)


def _objects(source: Source, start: int, collector: Collector) -> None:
    """An object array is one pickle: numpy.load(allow_pickle=True) runs it."""
    place = collector.place
    stream = pickles.stream(source, place.limits, place.member, start)
    collector.traces += stream.traces
    collector.extents.append(Extent(start, stream.end - start, Part.PICKLE))


def _array(
    source: Source, start: int, match: re.Match[str], each: int | None, collector: Collector
) -> TensorTable | None:
    descr = match["descr"].strip("'")
    left = source.size - start
    sizes = [part.strip().rstrip("L") for part in match["shape"].split(",") if part.strip()]
    if any(len(size) > _DIGITS or not size.isdigit() for size in sizes):
        collector.note("numpy-header", "A size that is none.")
        return None
    shape = tuple(int(size) for size in sizes)
    if each is None:
        # Data all the same, and no loader runs them; but where they end, nobody says.
        collector.extents.append(Extent(start, left, Part.OTHER))
        collector.search(start, left, "array")
        return None
    nbytes = prod(shape) * each
    if nbytes > left:
        collector.note("truncated", f"{nbytes} bytes claimed, {left} there.")
        return None
    dtype = _DTYPES.get(descr[1:])
    if dtype is None:
        collector.extents.append(Extent(start, nbytes, Part.OTHER))
        return None
    collector.extents.append(Extent(start, nbytes, Part.STORAGE, "array"))
    storage = Storage("array", nbytes, source.window(start, nbytes), collector.place.member)
    stride = contiguous_stride(shape)
    if match["fortran"] == "True":
        stride = tuple(reversed(contiguous_stride(tuple(reversed(shape)))))
    tensor = Tensor("", dtype, shape, stride, storage)
    return TensorTable((tensor,), big_endian=descr.startswith(">"))
