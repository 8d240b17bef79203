"""A position in a pickle: bounded, buffered reads of opcode arguments."""

from __future__ import annotations

import struct
from collections.abc import Callable

from scanner.errors import FileError, LimitExceeded
from scanner.limits import Limits
from scanner.opcodes.table import Shape
from scanner.source import Source

BLOCK = 64 * 1024
_U2 = struct.Struct("<H").unpack_from
_I4 = struct.Struct("<i").unpack_from
_U4 = struct.Struct("<I").unpack_from
_U8 = struct.Struct("<Q").unpack_from
_F8 = struct.Struct(">d").unpack_from
#: What is kept of a string that is longer than allowed.
_KEPT = 1024

Argument = None | int | float | bytes | tuple[bytes, bytes]


class Cursor:
    """Reads forward from ``start``. Keeps no more than one block or one argument in memory.

    Raises ``FileError("pickle.truncated")`` at the end of the member and ``LimitExceeded``.
    """

    def __init__(
        self, source: Source, start: int, limits: Limits, *, dropping: tuple[bool, ...] = ()
    ) -> None:
        self.source = source
        #: End of the frame at work, 0 outside of one.
        self.frame_end = 0
        #: C reads a frame into a buffer. Where an argument reaches over its end and the file
        #: cannot peek (io.BytesIO, so torch's zip reader) or not that far (a file's own buffer may
        #: end anywhere), the rest of the buffer is dropped and the argument is read from behind
        #: the frame (python/cpython#154848). Which of the frames that are crossed so are dropped
        #: is given, in their order; those that are not named are kept.
        self.dropping = dropping
        #: Frames over whose end an argument has reached.
        self.crossed = 0
        self.start = start
        self.data = b""
        self.at = 0
        #: Where ``data`` begins in the member.
        self.base = start
        self._limits = limits
        self._end = min(source.size, start + limits.pickle_bytes)
        #: Why the member ended before its size said so (a broken deflate stream).
        self.broken: FileError | None = None
        #: Strings that were skipped because they are longer than allowed.
        self.skipped = 0

    @property
    def offset(self) -> int:
        """Where the next byte lies in the member."""
        return self.base + self.at

    def _fill(self, need: int) -> bool:
        """Make ``need`` bytes available from the position on, if there are that many."""
        rest = self.data[self.at :]
        position = self.base + self.at
        want = max(need, BLOCK)
        # More than one turn only where a broken stream comes in pieces.
        while len(rest) < need and position + len(rest) < self._end:
            filled = position + len(rest)
            rest += self._read(filled, min(want - len(rest), self._end - filled))
        self.data, self.at, self.base = rest, 0, position
        return len(rest) >= need

    def _read(self, offset: int, length: int) -> bytes:
        # A deflate stream that breaks off loses the whole read: halve it until what did come out
        # is in hand, for a loader would run that far.
        while length:
            try:
                return self.source.read(offset, length)
            except FileError as error:
                self.broken = error
                self._end = offset + length - 1
                length //= 2
        self._end = offset
        return b""

    def _short(self) -> FileError:
        if self.broken is not None:
            return self.broken
        if self._end < self.source.size:
            return LimitExceeded("pickle_bytes", self._limits.pickle_bytes)
        return FileError("pickle.truncated", "the bytes end in the middle of the pickle")

    def remaining(self) -> int:
        return self._end - self.offset

    def cross(self, length: int) -> None:
        """Leave the frame if ``length`` bytes reach over its end, with or without its rest."""
        if self.offset < self.frame_end < self.offset + length:
            self._leave()

    def _leave(self) -> None:
        end, self.frame_end = self.frame_end, 0
        self.crossed += 1
        if self.crossed <= len(self.dropping) and self.dropping[self.crossed - 1]:
            self._jump(end)

    def _jump(self, offset: int) -> None:
        if offset <= self.base + len(self.data):
            self.at = offset - self.base
        else:
            self.data, self.at, self.base = b"", 0, offset

    def take(self, length: int) -> bytes:
        at = self._step(length)
        return self.data[at : at + length]

    def _step(self, length: int) -> int:
        """Steps over ``length`` bytes; returns where they lie in ``data``."""
        if 0 < self.frame_end < self.base + self.at + length:
            self.cross(length)
        at = self.at
        if at + length > len(self.data):
            if not self._fill(length):
                raise self._short()
            at = 0
        self.at = at + length
        return at

    def u1(self) -> int:
        if self.at >= len(self.data) and not self._fill(1):
            raise self._short()
        self.at += 1
        return self.data[self.at - 1]

    def u2(self) -> int:
        at = self._step(2)
        value: int = _U2(self.data, at)[0]
        return value

    def i4(self) -> int:
        at = self._step(4)
        value: int = _I4(self.data, at)[0]
        return value

    def u4(self) -> int:
        at = self._step(4)
        value: int = _U4(self.data, at)[0]
        return value

    def u8(self) -> int:
        return int(_U8(self.take(8))[0])

    def f8(self) -> float:
        return float(_F8(self.take(8))[0])

    def line(self) -> bytes:
        """A line without its last byte: C drops that byte even where it is no newline, because
        the input ended."""
        if self.offset < self.frame_end:
            self._leave_unended_line()
        found = self.data.find(b"\n", self.at)
        searched = len(self.data) - self.at
        while found < 0:
            if searched > self._limits.string_bytes:
                raise LimitExceeded("string_bytes", self._limits.string_bytes)
            # Doubling keeps a long line linear.
            if not self._fill(2 * searched + 1):
                found = self.data.find(b"\n")
                break
            found = self.data.find(b"\n", searched)
            searched = len(self.data)
        end = len(self.data) if found < 0 else found + 1
        if end <= self.at:
            raise self._short()
        line = self.data[self.at : end - 1]
        self.at = end
        return line

    def _leave_unended_line(self) -> None:
        if self.data.find(b"\n", self.at, self.frame_end - self.base) >= 0:
            return
        self._fill(self.frame_end - self.offset)
        if self.data.find(b"\n", self.at, self.frame_end - self.base) < 0:
            self._leave()

    def lines(self) -> tuple[bytes, bytes]:
        return self.line(), self.line()

    def _counted(self, length: int) -> bytes:
        at, end = self.at, self.at + length
        if end <= len(self.data) and length <= self._limits.string_bytes and not self.frame_end:
            # At hand already, as nearly all are.
            self.at = end
            return self.data[at:end]
        self.cross(length)
        if length > self.remaining():
            raise self._short()
        if length > self._limits.string_bytes:
            return self._skip(length)
        return self.take(length)

    def _skip(self, length: int) -> bytes:
        self.skipped += 1
        target = self.offset + length
        kept = self.take(min(_KEPT, length))
        self._jump(target)
        return kept

    def counted1(self) -> bytes:
        return self.take(self.u1())

    def counted4(self) -> bytes:
        return self._counted(self.u4())

    def counted4s(self) -> bytes:
        length = self.i4()
        if length < 0:
            raise FileError("pickle.negative_length", f"a length of {length}")
        return self._counted(length)

    def counted8(self) -> bytes:
        return self._counted(self.u8())


#: How each shape of argument is read; a shape that is not here has none.
READERS: dict[Shape, Callable[[Cursor], Argument]] = {
    Shape.U1: Cursor.u1,
    Shape.U2: Cursor.u2,
    Shape.I4: Cursor.i4,
    Shape.U4: Cursor.u4,
    Shape.U8: Cursor.u8,
    Shape.F8: Cursor.f8,
    Shape.LINE: Cursor.line,
    Shape.LINES: Cursor.lines,
    Shape.COUNTED1: Cursor.counted1,
    Shape.COUNTED4: Cursor.counted4,
    Shape.COUNTED4S: Cursor.counted4s,
    Shape.COUNTED8: Cursor.counted8,
}
