"""Where the parts of a file begin and end, found without anything of ours: by Python's own readers
of zip and tar, ``pickletools``, and the formats' descriptions."""

from __future__ import annotations

import io
import json
import pickletools
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator

Walk = Callable[[bytes], Iterator[int]]


class Opcode(int):
    """Where an opcode begins. They are a byte or two apart: what is near one is another."""


def zip_file(data: bytes) -> Iterator[int]:
    """Headers, names, data and descriptors of the members; directory entries; end records; and
    the opcodes of a pickle that is stored."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        directory = archive.start_dir
    for member in members:
        named, extra = struct.unpack_from("<HH", data, member.header_offset + 26)
        start = member.header_offset + 30 + named + extra
        end = start + member.compress_size
        yield from (member.header_offset, member.header_offset + 30, start, end)
        if member.flag_bits & 8:
            # With its signature: three numbers, of which two are wide in zip64.
            yield from (end + 4, end + 8, end + 16, end + 24)
        if member.filename.endswith(".pkl") and not member.compress_type:
            yield from opcodes(data, start)
    at = directory
    while data[at : at + 4] == b"PK\1\2":
        yield from (at, at + 46)
        at += 46 + sum(struct.unpack_from("<HHH", data, at + 28))
    if data[at : at + 4] == b"PK\6\6":
        yield from (at, at + 56, at + 76)
        at += 76
    assert data[at : at + 4] == b"PK\5\6"
    yield from (at, at + 4, at + 20)


def opcodes(data: bytes, start: int) -> Iterator[int]:
    """Each opcode of the pickle at ``start``, and its end."""
    file = io.BytesIO(data)
    file.seek(start)
    for _, _, at in pickletools.genops(file):
        assert at is not None
        yield Opcode(at)
    yield file.tell()


def legacy(data: bytes) -> Iterator[int]:
    """Five pickles; then for each storage the count of its elements, of eight bytes here, and
    the elements."""
    at = 0
    for _ in range(5):
        *inner, at = opcodes(data, at)
        yield from (*inner, at)
    while at < len(data):
        yield from (at, at + 8)
        at += 8 + 8 * int.from_bytes(data[at : at + 8], "little")
    assert at == len(data)


def tar(data: bytes) -> Iterator[int]:
    """Headers and contents of the records, the pickles in them, the end marker."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    for member in members:
        end = member.offset_data + member.size
        yield from (member.offset, member.offset_data, end)
        if member.name == "pickle":
            yield from opcodes(data, member.offset_data)
        yield end + (-end % 512)
    yield end + (-end % 512) + 512


def safetensors(data: bytes) -> Iterator[int]:
    """The length, the header, each tensor."""
    start = 8 + int.from_bytes(data[:8], "little")
    yield from (0, 8, start)
    for name, entry in json.loads(data[8:start]).items():
        yield data.index(json.dumps(name).encode(), 8)
        if name != "__metadata__":
            yield from (start + at for at in entry["data_offsets"])


def around(walk: Walk, data: bytes) -> list[int]:
    """Every boundary, one byte less and one more, as far as a file of that length is not whole."""
    places: set[int] = set()
    for at in walk(data):
        places |= {at} if isinstance(at, Opcode) else {at - 1, at, at + 1}
    return sorted(at for at in places if 0 <= at < len(data))
