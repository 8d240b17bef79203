"""An embedding as WebUI writes it into pictures: JSON in which lists stand for tensors."""

from __future__ import annotations

import struct
import zlib
from array import array
from itertools import chain

from scanner.errors import FileError
from scanner.formats import json_header
from scanner.formats.json_header import Object
from scanner.limits import Limits
from scanner.source import BytesSource
from scanner.tensors import Leaf, Storage, Tensor, TensorTable, contiguous_stride

_TENSOR = "TORCHTENSOR"
_MOST_NUMBERS = 4_000_000

Path = tuple[str | int, ...]


def table(text: bytes, limits: Limits) -> TensorTable:
    """The tensors and the rest; ``FileError`` where the text is no embedding."""
    value = json_header.parse(text, limits)
    if not isinstance(value, Object):
        raise FileError("embedding.none", "it is no JSON object")
    tensors: list[Tensor] = []
    leaves: list[Leaf] = []
    stack: list[tuple[Path, object]] = [((), value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, Object):
            fields = dict(item.pairs)
            if set(fields) == {_TENSOR}:
                tensors.append(_tensor(path, fields[_TENSOR]))
            else:
                stack.extend(((*path, key), inner) for key, inner in reversed(item.pairs))
        elif isinstance(item, list):
            stack.extend(((*path, index), inner) for index, inner in enumerate(item))
        else:
            leaves.append(Leaf(path, type(item).__name__, item))
    if not tensors:
        raise FileError("embedding.none", "it holds no tensor")
    return TensorTable(tuple(tensors), leaves=tuple(leaves))


def _tensor(path: Path, value: object) -> Tensor:
    """Nested lists of numbers, all of one length at each depth, as 32-bit floats."""
    shape: list[int] = []
    rows = [value]
    while rows and all(isinstance(row, list) for row in rows):
        lists = [row for row in rows if isinstance(row, list)]
        lengths = {len(row) for row in lists}
        if len(lengths) != 1 or len(shape) > 8:
            raise FileError("embedding.tensor", "its rows differ in length")
        shape += lengths
        rows = list(chain.from_iterable(lists))
        if len(rows) > _MOST_NUMBERS:
            raise FileError("embedding.tensor", "it is too large")
    numbers = [float(row) for row in rows if type(row) in (int, float)]  # type: ignore[arg-type]
    if len(numbers) != len(rows) or not shape:
        raise FileError("embedding.tensor", "it holds something that is no number")
    try:
        data = struct.pack(f"<{len(numbers)}f", *numbers)
    except OverflowError as error:
        raise FileError("embedding.tensor", "a number too large") from error
    name = ".".join(map(str, path))
    storage = Storage(name, len(data), BytesSource(data))
    return Tensor(name, "F32", tuple(shape), contiguous_stride(tuple(shape)), storage, path=path)


# -- in the pixels -------------------------------------------------------------------------------


def in_pixels(rows: list[bytes], width: int, limits: Limits) -> TensorTable | None:
    """The embedding that lies in the pixels, None where there is none. ``rows`` are RGB."""
    packed = from_pixels(rows, width)
    if packed is None:
        return None
    try:
        # What follows the stream only fills the block.
        text = zlib.decompressobj().decompress(packed, limits.string_bytes)
        return table(text, limits)
    except (zlib.error, FileError):
        # Any picture with two dark columns gets so far.
        return None


_NONZERO = bytes([0]) + bytes([1]) * 255


def from_pixels(rows: list[bytes], width: int) -> bytes | None:
    """The packed JSON that lies in the columns left and right of a picture, four bits a channel;
    None where there is none. ``rows`` are RGB.

    A column whose channels' low bits are all zero parts the data from the picture; the bits are
    masked by a linear congruential generator."""
    rows, width = _uncovered(rows, width)
    if not rows or not width:
        return None
    united = _any(rows).to_bytes(3 * width, "big")
    black = [
        at for at in range(width) if not any(sign & 15 for sign in united[3 * at : 3 * at + 3])
    ]
    if len(black) < 2:
        return None
    low = b"".join(row[: 3 * black[0]] for row in rows)
    high = b"".join(row[3 * (black[-1] + 1) :] for row in rows)
    if not low or len(low) != len(high):
        return None
    return bytes(
        ((upper ^ mask) & 15) << 4 | (lower ^ mask) & 15
        for lower, upper, mask in zip(low, high, _mask(len(low)), strict=True)
    )


def _any(rows: list[bytes]) -> int:
    united = 0
    for row in rows:
        united |= int.from_bytes(row, "big")
    return united


def _mask(length: int) -> array[int]:
    masks, seed = array("B"), 0
    for _ in range(length):
        seed = (1_664_525 * seed + 1_013_904_223) & 0xFFFFFFFF
        masks.append(seed % 255)
    return masks


def _uncovered(rows: list[bytes], width: int) -> tuple[list[bytes], int]:
    """The picture without black borders: rows and columns without a pixel that has no zero."""
    lit: list[int] = []
    columns = 0
    for row in rows:
        signs = row.translate(_NONZERO)
        full = int.from_bytes(signs[0::3], "big") & int.from_bytes(signs[1::3], "big")
        full &= int.from_bytes(signs[2::3], "big")
        lit.append(full)
        columns |= full
    if not columns:
        return [], 0
    places = columns.to_bytes(width, "big")
    left, right = places.find(1), places.rfind(1) + 1
    shown = [index for index, full in enumerate(lit) if full]
    kept = rows[shown[0] : shown[-1] + 1]
    return [row[3 * left : 3 * right] for row in kept], right - left
