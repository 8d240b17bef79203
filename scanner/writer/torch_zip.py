"""The zip file around the pickle, as torch lays it out: stored members, aligned to 64 bytes.

Streams: an array's bytes are asked for when its turn comes, so memory stays constant. The CRC is
filled in afterwards, which is why the target has to be a real file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scanner.crc import crc32
from scanner.errors import EngineError
from scanner.writer.arrays import Tree
from scanner.writer.opcodes import Pickle

_ALIGNMENT = 64
_LARGE = 0xFFFFFFFF
_UTF8 = 0x0800
_NEW_YEAR_1980 = 0x21  # the oldest date that zip knows: files do not depend on the clock
_ZIP64, _PADDING = 0x0001, 0x4246
_LOCAL, _CENTRAL = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I")


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    size: int
    crc: int
    at: int


def write_torch_zip(target: Path | int, tree: Tree, *, root: str = "archive") -> None:
    """Write ``tree`` so that ``torch.load(weights_only=True)`` reads it: to a path, which must
    not exist, or to an open empty file."""
    with _descriptor(target) as fd:
        archive = Archive(fd)
        pickle = Pickle()
        archive.add(f"{root}/data.pkl", pickle.finished(tree))
        archive.add(f"{root}/byteorder", b"little")
        for key, array in enumerate(pickle.arrays):
            archive.stream(f"{root}/data/{key}", array.nbytes, array.chunks())
        archive.add(f"{root}/version", b"3\n")
        archive.close()


@contextmanager
def _descriptor(target: Path | int) -> Iterator[int]:
    if isinstance(target, int):
        yield target
        return
    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        yield fd
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


class Archive:
    """Stored members one after another, then the directory. ``target`` is an open empty file."""

    def __init__(self, target: int) -> None:
        self._fd = target
        self._at = 0
        self._members: list[_Member] = []

    def add(self, name: str, data: bytes) -> None:
        """One member that is in memory."""
        self.stream(name, len(data), (data,))

    def stream(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """One stored member of ``size`` bytes."""
        start, encoded = self._at, name.encode()
        self._at += len(_local(encoded, size, 0, start))
        crc, left = 0, size
        for chunk in chunks:
            crc = crc32(chunk, crc)
            left -= len(chunk)
            self._write(chunk)
        if left:
            raise EngineError("writer.size", f"{name} is {left} bytes short of what it said")
        self._members.append(_Member(encoded, size, crc, start))
        after, self._at = self._at, start
        self._write(_local(encoded, size, crc, start))
        self._at = after

    def close(self) -> None:
        """Write the directory; the file itself stays open."""
        start = self._at
        for member in self._members:
            self._write(_central(member))
        self._write(_end(len(self._members), start, self._at - start))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, self._at)
            view = view[written:]
            self._at += written


def _local(name: bytes, size: int, crc: int, start: int) -> bytes:
    """A member's own header, padded so that its bytes start on a multiple of 64."""
    large = size >= _LARGE
    extra = struct.pack("<2H2Q", _ZIP64, 16, size, size) if large else b""
    fixed = _LOCAL.size + len(name) + len(extra) + 4
    padding = -(start + fixed) % _ALIGNMENT
    extra += struct.pack("<2H", _PADDING, padding) + b"Z" * padding
    shown = _LARGE if large else size
    version = 45 if large else 20
    head = _LOCAL.pack(
        b"PK\3\4", version, _UTF8, 0, 0, _NEW_YEAR_1980, crc, shown, shown, len(name), len(extra)
    )
    return head + name + extra


def _central(member: _Member) -> bytes:
    """A member's line in the directory. What does not fit into 32 bits stands in the extra field,
    in the order that the format gives."""
    large, far = member.size >= _LARGE, member.at >= _LARGE
    wide = [*([member.size] * 2 if large else []), *([member.at] if far else [])]
    extra = struct.pack(f"<2H{len(wide)}Q", _ZIP64, 8 * len(wide), *wide) if wide else b""
    size = _LARGE if large else member.size
    version = 45 if wide else 20
    head = _CENTRAL.pack(
        b"PK\1\2", version, version, _UTF8, 0, 0, _NEW_YEAR_1980, member.crc, size, size,
        len(member.name), len(extra), 0, 0, 0, 0, _LARGE if far else member.at,
    )  # fmt: skip
    return head + member.name + extra


def _end(count: int, start: int, size: int) -> bytes:
    wide = b""
    if start >= _LARGE or count >= 0xFFFF:
        wide = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
        wide += struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    short = min(count, 0xFFFF)
    tail = (min(size, _LARGE), min(start, _LARGE), 0)
    return wide + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, short, short, *tail)
