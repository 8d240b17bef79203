"""The records of a zip archive, read as they stand: nothing is believed, nothing is corrected.

Layout and names after APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from scanner.errors import FileError
from scanner.source import Source

LOCAL = b"PK\x03\x04"
CENTRAL = b"PK\x01\x02"
END = b"PK\x05\x06"
END64 = b"PK\x06\x06"
LOCATOR64 = b"PK\x06\x07"
DESCRIPTOR = b"PK\x07\x08"

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
#: The extra field with a member's 64-bit sizes and place.
ZIP64 = 0x1
_FULL32 = 0xFFFFFFFF
_FULL16 = 0xFFFF
_LONGEST_COMMENT = 0xFFFF
#: Systems whose file modes stand in the attributes: Unix, macOS.
_UNIX = (3, 19)

ENCRYPTED = 0x1
HAS_DESCRIPTOR = 0x8
PATCHED = 0x20
STRONG_ENCRYPTION = 0x40
UTF8 = 0x800
MASKED = 0x2000


class Local(NamedTuple):
    """The header before a member's data. ``data`` is where the data begins."""

    offset: int
    name: bytes
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    data: int
    extra: bytes


class Central(NamedTuple):
    """A member as the directory has it. ``header`` is where its local header should be."""

    name: bytes
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    header: int
    comment: bytes
    creator: int
    attributes: int
    zip64: bool
    extra: bytes
    disk: int

    @property
    def is_link(self) -> bool:
        return self.creator >> 8 in _UNIX and (self.attributes >> 16) & 0o170000 == 0o120000


class End(NamedTuple):
    """The end record, with the 64-bit one's numbers where there is one. ``start`` is the first
    byte of the two, ``end`` the last byte behind the comment."""

    offset: int
    start: int
    end: int
    entries: int
    directory_size: int
    directory: int
    comment: bytes
    comment_claimed: int


def numbers(body: bytes) -> set[int]:
    """The numbers of a ``ZIP64`` field: eight bytes each, and four for a disk at the end."""
    wide = {value for (value,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])}
    rest = body[len(body) // 8 * 8 :]
    return wide | {int.from_bytes(rest, "little")} if rest.strip(b"\0") else wide


def _zip64(extra: bytes, wanted: list[int]) -> list[int]:
    """The 64-bit numbers for the fields that are full, in their order."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == ZIP64:
            body = extra[at + 4 : at + 4 + length]
            numbers = [value for (value,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
            replaced, left = [], iter(numbers)
            for value in wanted:
                replaced.append(next(left, value) if value == _FULL32 else value)
            return replaced
        at += 4 + length
    return wanted


def fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The parts of an extra field; what is no part at the end comes with the number -1."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            break
        yield tag, extra[at + 4 : at + 4 + length]
        at += 4 + length
    # Up to three zeros are how some writers align.
    if extra[at:].strip(b"\0"):
        yield -1, extra[at:]


def local(source: Source, offset: int) -> Local:
    head = source.read(offset, _LOCAL.size)
    (magic, _, flags, method, _, _, crc32, packed, size, named, extended) = _LOCAL.unpack(head)
    if magic != LOCAL:
        raise FileError("zip.no_local_header", f"no local header at {offset}")
    tail = source.read(offset + _LOCAL.size, named + extended)
    size, packed = _zip64(tail[named:], [size, packed])
    data = offset + _LOCAL.size + named + extended
    return Local(offset, tail[:named], flags, method, crc32, packed, size, data, tail[named:])


def end(source: Source) -> End | None:
    """The last end record: the one that torch's and Python's readers start from."""
    span = min(source.size, _END.size + _LONGEST_COMMENT)
    tail = source.read(source.size - span, span)
    # One that is too near the end to be whole is no record.
    at = tail.rfind(END, 0, len(tail) - _END.size + len(END))
    if at < 0:
        return None
    offset = source.size - span + at
    _, _, _, _, entries, size, directory, claimed = _END.unpack_from(tail, at)
    comment = tail[at + _END.size :]
    start = offset
    wide = _end64(source, offset)
    if wide is not None:
        # Python takes the 64-bit numbers whenever the record is there, torch only for full fields.
        start, entries, size, directory = wide
    return End(offset, start, source.size, entries, size, directory, comment, claimed)


def _end64(source: Source, offset: int) -> tuple[int, int, int, int] | None:
    at = offset - _LOCATOR64.size
    if at < 0:
        return None
    magic, _, record, _ = _LOCATOR64.unpack(source.read(at, _LOCATOR64.size))
    if magic != LOCATOR64:
        return None
    # The record stands before its locator; behind a prefix its own number for that is off.
    for place in (record, at - _END64.size):
        if 0 <= place <= at - _END64.size:
            body = source.read(place, _END64.size)
            if body.startswith(END64):
                _, _, _, _, _, _, _, entries, size, directory = _END64.unpack(body)
                return place, entries, size, directory
    return None


def directory(source: Source, offset: int, size: int, limit: int) -> Iterator[Central]:
    """The directory's entries, one after the other, until its bytes end."""
    stop = offset + size
    count = 0
    while offset < stop:
        head = source.read(offset, _CENTRAL.size)
        (magic, creator, _, flags, method, _, _, crc32, packed, unpacked) = struct.unpack_from(
            "<4s6H3I", head
        )
        named, extended, commented, disk, _, attributes, header = struct.unpack_from(
            "<5H2I", head, 28
        )
        if magic != CENTRAL:
            raise FileError("zip.no_central_header", f"no directory entry at {offset}")
        offset += _CENTRAL.size
        # Python makes do with what is left of a name or comment that is longer than the directory.
        tail = source.read(offset, min(named + extended + commented, max(stop - offset, 0)))
        extra = tail[named : named + extended]
        wide = _zip64(extra, [unpacked, packed, header])
        count += 1
        if count > limit:
            raise FileError("zip.too_many", f"more than {limit} members")
        yield Central(
            tail[:named], flags, method, crc32, wide[1], wide[0], wide[2],
            tail[named + extended :], creator, attributes, wide != [unpacked, packed, header],
            extra, disk,
        )  # fmt: skip
        offset += len(tail)


def descriptor_size(source: Source, entry: Central, after: int) -> int:
    """How many bytes the data descriptor behind a member's data takes; 0 where none matches."""
    numbers = (
        struct.pack("<III", entry.crc32, entry.packed & _FULL32, entry.size & _FULL32),
        struct.pack("<IQQ", entry.crc32, entry.packed, entry.size),
    )
    there = source.peek(after, 24)
    # The longer forms first: a short one may be the beginning of a long one.
    for body in (DESCRIPTOR + numbers[1], DESCRIPTOR + numbers[0], numbers[1], numbers[0]):
        if there.startswith(body):
            return len(body)
    return 0
