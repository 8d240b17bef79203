"""Write a plan to an open descriptor: ranges copied, the rest gathered, swapped or cast."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from scanner.convert import casting, gather
from scanner.convert.layout import Layout, Placed, lay_out, nbytes
from scanner.convert.options import Precision
from scanner.convert.plan import Piece, Plan
from scanner.convert.ranges import Copier, write_all
from scanner.errors import Refused
from scanner.source import CHUNK
from scanner.tensors import DTYPE_BITS

#: Done bytes and their total.
Progress = Callable[[int, int], None]

_TARGET = {Precision.FP16: "F16", Precision.BF16: "BF16"}


class _Writer:
    def __init__(self, target: int, layout: Layout, progress: Progress | None) -> None:
        self._target = target
        self._layout = layout
        self._progress = progress
        self._copier = Copier()
        self._done = 0

    def write(self) -> None:
        os.ftruncate(self._target, self._layout.size)
        write_all(self._target, self._layout.header, 0)
        for placed in self._layout.placed:
            self._write(placed)
        # A file system that copies lazily may still fail here.
        os.fsync(self._target)

    def _tell(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._layout.size)

    def _write(self, placed: Placed) -> None:
        piece, tensor = placed.piece, placed.piece.tensor
        if not placed.size:
            return
        if piece.parts:
            start = placed.start
            for part in piece.parts:
                self._write(Placed(part, start, nbytes(part)))
                start += nbytes(part)
            return
        if piece.values is not None:
            write_all(self._target, piece.values, placed.start)
            self._tell(placed.size)
        elif tensor.contiguous and is_copied(piece):
            # The window proves the bounds, which the kernel's copy would not.
            window = tensor.storage.source.window(tensor.byte_offset, tensor.nbytes)
            if window.file_offset is None:
                self._put(placed, _steps(window.chunks()))
            else:
                args = (window.file_offset, placed.start, placed.size)
                self._copier.copy(piece.fd, self._target, *args, self._tell)
        else:
            self._put(placed, _values(piece))

    def _put(self, placed: Placed, runs: Iterator[tuple[int, bytes]]) -> None:
        for position, data in runs:
            write_all(self._target, data, placed.start + position)
            self._tell(len(data))


def is_copied(piece: Piece) -> bool:
    """Whether the bytes go to the target as they are."""
    return not piece.swapped and piece.dtype == piece.tensor.dtype


def _steps(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    at = 0
    for chunk in chunks:
        yield at, chunk
        at += len(chunk)


def _values(piece: Piece) -> Iterator[tuple[int, bytes]]:
    """The piece's bytes at their places in the result: gathered, swapped, cast."""
    tensor = piece.tensor
    before, after = DTYPE_BITS[tensor.dtype], DTYPE_BITS[piece.dtype]
    for position, data in _raw(piece):
        swapped = casting.swap(data, tensor.dtype) if piece.swapped else data
        cast = casting.cast(swapped, tensor.dtype, piece.dtype)
        yield position * after // before, cast


def _raw(piece: Piece) -> Iterator[tuple[int, bytes]]:
    tensor = piece.tensor
    if tensor.contiguous:
        # CHUNK is a multiple of every element's size.
        return _steps(tensor.storage.source.chunks(tensor.byte_offset, tensor.nbytes, CHUNK))
    return gather.runs(_strided(piece), tensor.storage.source)


def _strided(piece: Piece) -> gather.Strided:
    tensor = piece.tensor
    item = DTYPE_BITS[tensor.dtype] // 8
    if not item:
        raise Refused("convert.dtype", f"{tensor.dtype} in strides: {tensor.name}")
    return gather.Strided(tensor.shape, tensor.stride, tensor.offset, item)


def in_order(piece: Piece) -> Iterator[bytes]:
    """The piece's bytes from the first to the last, as ``write`` would write them."""
    if piece.values is not None:
        yield piece.values
        return
    for part in piece.sources:
        tensor = part.tensor
        if tensor.contiguous:
            read = tensor.storage.source.chunks(tensor.byte_offset, tensor.nbytes, CHUNK)
        else:
            read = gather.in_order(_strided(part), tensor.storage.source)
        for data in read:
            swapped = casting.swap(data, tensor.dtype) if part.swapped else data
            yield casting.cast(swapped, tensor.dtype, part.dtype)


def with_precision(plan: Plan, precision: Precision) -> Plan:
    """The plan with its floats cast. Whether they fit is found out while writing."""
    to = _TARGET.get(precision)
    if to is None:
        return plan
    return plan.keeping(
        piece.cast(to) if piece.dtype in casting.CASTABLE else piece for piece in plan.pieces
    )


def fits(piece: Piece) -> bool:
    """Whether no finite value of the piece becomes infinite."""
    try:
        for part in piece.sources:
            for _ in _values(part):
                pass
    except casting.Overflow:
        return False
    return True


def uncast(piece: Piece) -> Piece:
    return piece.cast(piece.tensor.dtype)


def write(
    plan: Plan, target: int, progress: Progress | None = None
) -> tuple[Plan, tuple[str, ...]]:
    """Write the plan; the plan as it was written, and the names of tensors that a cast would have
    made infinite and that stayed as they are. Casts are tried while writing, since nearly every
    file passes; for one that does not, all are tried first and the writing starts again."""
    return fitting(plan, target, lambda whole: _Writer(target, lay_out(whole), progress).write())


def fitting(
    plan: Plan, target: int, attempt: Callable[[Plan], None]
) -> tuple[Plan, tuple[str, ...]]:
    """What ``write`` does, whatever writes."""
    try:
        attempt(plan)
        return plan, ()
    except casting.Overflow:
        os.ftruncate(target, 0)
    kept = {piece.name for piece in plan.pieces if _is_cast(piece) and not fits(piece)}
    plan = plan.keeping(uncast(piece) if piece.name in kept else piece for piece in plan.pieces)
    attempt(plan)
    return plan, tuple(sorted(kept))


def _is_cast(piece: Piece) -> bool:
    return piece.values is None and piece.dtype != piece.tensor.dtype


def size_of(plan: Plan) -> int:
    """Bytes of all tensors in the target."""
    return sum(nbytes(piece) for piece in plan.pieces)
