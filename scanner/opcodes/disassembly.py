"""A pickle as text, opcode by opcode. Never raises on hostile bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Set
from typing import NamedTuple

from scanner.errors import FileError
from scanner.limits import Limits
from scanner.opcodes.cursor import READERS, Argument, Cursor
from scanner.opcodes.table import OPS
from scanner.source import Source

_SHOWN = 80
_TEXT = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "GLOBAL", "INST"})
_INTEGERS = frozenset({"LONG1", "LONG4"})


class Line(NamedTuple):
    """One opcode. ``offset`` is relative to the member."""

    offset: int
    name: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.offset}: {self.name} {self.argument}".rstrip()


#: An offset, a name, and the argument as read, or words where there is none to read.
_Opcode = tuple[int, str, Argument | str]


def disassemble(source: Source, start: int, limits: Limits) -> Iterator[Line]:
    """The opcodes from ``start`` up to STOP, or to the byte that cannot be read."""
    return map(_line, _opcodes(source, start, limits))


def _opcodes(source: Source, start: int, limits: Limits) -> Iterator[_Opcode]:
    cursor = Cursor(source, start, limits)
    for _ in range(limits.opcodes):
        offset = cursor.offset
        try:
            code = cursor.u1()
            name, read = _READS[code]
            if not name:
                yield offset, f"byte 0x{code:02x}", "(no opcode)"
                return
            argument = read(cursor) if read is not None else None
        except FileError as error:
            yield offset, "(end)", error.message
            return
        yield offset, name, argument
        if name == "STOP":
            return


def windows(
    source: Source, start: int, offsets: Set[int], limits: Limits
) -> dict[int, tuple[str, ...]]:
    """The opcodes around each offset, half before and half after it, in one pass: a pickle has
    no beginning of an opcode that one could find backwards."""
    reach = max(limits.window_opcodes // 2, 1)
    before: deque[_Opcode] = deque(maxlen=reach)
    found: dict[int, list[_Opcode]] = {}
    # (how many more lines it wants, its offset), for the windows that are still open.
    wanting: list[tuple[int, int]] = []
    missing = len(offsets)
    for opcode in _opcodes(source, start, limits):
        if wanting:
            for _, offset in wanting:
                found[offset].append(opcode)
            wanting = [(more - 1, offset) for more, offset in wanting if more > 1]
        if opcode[0] in offsets:
            found[opcode[0]] = [*before, opcode]
            wanting.append((reach, opcode[0]))
            missing -= 1
        before.append(opcode)
        if not missing and not wanting:
            break
    # Only what is shown is put into words: a finding may stand behind a million opcodes.
    return {offset: tuple(str(_line(one)) for one in seen) for offset, seen in found.items()}


def _line(opcode: _Opcode) -> Line:
    offset, name, argument = opcode
    return Line(offset, name, argument if isinstance(argument, str) else _shown(name, argument))


def _shown(name: str, argument: Argument) -> str:
    if argument is None:
        return ""
    if isinstance(argument, tuple):
        return " ".join(_text(part) for part in argument)
    if not isinstance(argument, bytes):
        return str(argument)
    if name in _INTEGERS and len(argument) <= 64:
        return str(int.from_bytes(argument, "little", signed=True))
    if name in _TEXT:
        return _text(argument)
    shown = ascii(argument[:_SHOWN])
    return shown + "…" if len(argument) > _SHOWN else shown


def _text(raw: bytes) -> str:
    shown = ascii(raw[:_SHOWN].decode("utf-8", "backslashreplace"))
    return shown + "…" if len(raw) > _SHOWN else shown


#: Name and reader by the opcode's byte.
_READS = tuple(
    (op.name, READERS.get(op.shape)) if (op := OPS.get(code)) is not None else ("", None)
    for code in range(256)
)
