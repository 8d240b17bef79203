"""The safetensors file: header, order and offsets, as the safetensors library writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scanner.convert.plan import Piece, Plan
from scanner.errors import Refused
from scanner.tensors import DTYPE_BITS

#: The library's own order, widest first, so that every tensor lies aligned to its elements.
ORDER = (
    "U64", "I64", "F64", "C64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16",
    "F8_E5M2FNUZ", "F8_E4M3FNUZ", "F8_E8M0", "F8_E4M3", "F8_E5M2", "I8", "U8",
    "F6_E3M2", "F6_E2M3", "F4", "BOOL",
)  # fmt: skip
_RANK = {dtype: rank for rank, dtype in enumerate(ORDER)}
_ALIGNMENT = 8
_LARGEST_HEADER = 100_000_000  # what the library reads


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece and its bytes' place in the file."""

    piece: Piece
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    header: bytes
    placed: tuple[Placed, ...]
    size: int


def nbytes(piece: Piece) -> int:
    count = 1
    for length in piece.shape:
        count *= length
    return (count * DTYPE_BITS[piece.dtype] + 7) // 8


def lay_out(plan: Plan) -> Layout:
    """Where everything goes. ``Refused`` when safetensors has no word for a dtype, or the header
    would be longer than its readers accept."""
    odd = sorted({piece.dtype for piece in plan.pieces} - _RANK.keys())
    if odd:
        names = [piece.name for piece in plan.pieces if piece.dtype in odd]
        raise Refused(
            "convert.dtype", f"{', '.join(odd)}: {', '.join(names[:5])}", tensors=len(names)
        )
    ordered = sorted(plan.pieces, key=lambda piece: (_RANK[piece.dtype], piece.name))
    header = _header(ordered, plan.metadata)
    start = len(header)
    placed = []
    for piece in ordered:
        placed.append(Placed(piece, start, nbytes(piece)))
        start += placed[-1].size
    return Layout(header, tuple(placed), start)


def _header(pieces: Iterable[Piece], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    at = 0
    for piece in pieces:
        end = at + nbytes(piece)
        entries[piece.name] = {
            "dtype": piece.dtype,
            "shape": list(piece.shape),
            "data_offsets": [at, end],
        }
        at = end
    try:
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise Refused("convert.name", "a tensor's name is not text") from error
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _LARGEST_HEADER:
        raise Refused("convert.header", f"a header of {len(text)} bytes")
    return len(text).to_bytes(8, "little") + text
