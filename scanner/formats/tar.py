"""tar archives, as torch wrote them before 2017 and still reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from scanner.errors import FileError
from scanner.source import Source

BLOCK = 512
_LONGEST_NAME = 64 * 1024
_REGULAR, _LONG_NAME, _PAX, _PAX_GLOBAL = b"0\0", b"L", b"x", b"g"


class Entry(NamedTuple):
    """A member; ``kind`` is the type flag, ``data`` where its bytes begin."""

    name: str
    kind: bytes
    header: int
    data: int
    size: int

    @property
    def is_file(self) -> bool:
        return self.kind in (b"0", b"\0", b"7")

    @property
    def is_folder(self) -> bool:
        return self.kind == b"5"

    @property
    def end(self) -> int:
        return self.data + (self.size + BLOCK - 1) // BLOCK * BLOCK


def _number(field: bytes) -> int:
    """Octal digits, or base 256 behind a high bit."""
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big", signed=field[0] == 0xFF)
    text = field.split(b"\0", 1)[0].strip()
    try:
        return int(text or b"0", 8)
    except ValueError as error:
        raise FileError("tar.number", "a number that is none") from error


def _checked(block: bytes) -> bool:
    """Whether the block's checksum holds: the only sign that old archives have."""
    try:
        claimed = _number(block[148:156])
    except FileError:
        return False
    blank = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in blank)
    return claimed in (sum(blank), signed) and any(block)


def plausible(source: Source) -> bool:
    block = source.peek(0, BLOCK)
    return len(block) == BLOCK and _checked(block)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _pax(data: bytes) -> dict[str, str]:
    """``length key=value`` lines."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        if space < 0 or not data[at:space].isdigit():
            break
        length = int(data[at:space])
        key, _, value = data[space + 1 : at + length - 1].partition(b"=")
        fields[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        at += max(length, 1)
    return fields


def entries(source: Source, limit: int) -> Iterator[Entry]:
    """The members up to the end marker; ``FileError`` where the archive breaks."""
    at, count = 0, 0
    # What a long-name or pax header says of the member behind it.
    name, size = "", None
    while at + BLOCK <= source.size:
        block = source.read(at, BLOCK)
        if not any(block):
            return
        if not _checked(block):
            raise FileError("tar.header", f"no header at {at}")
        count += 1
        if count > limit:
            raise FileError("tar.too_many", f"more than {limit} members")
        kind = block[156:157]
        length = _number(block[124:136]) if size is None else size
        if length < 0 or at + BLOCK + length > source.size:
            raise FileError("tar.size", f"a member of {length} bytes at {at}")
        prefix = _text(block[345:500]) if block[257:262] == b"ustar" else ""
        plain = _text(block[:100])
        entry = Entry(
            name or (f"{prefix}/{plain}" if prefix else plain), kind, at, at + BLOCK, length
        )
        yield entry
        name, size = "", None
        if kind in (_LONG_NAME, _PAX):
            data = source.read(entry.data, min(length, _LONGEST_NAME))
            if kind == _LONG_NAME:
                name = _text(data)
            else:
                fields = _pax(data)
                name = fields.get("path", "")
                claimed = fields.get("size", "")
                size = int(claimed) if claimed.isdigit() and len(claimed) < 19 else None
        at = entry.end
