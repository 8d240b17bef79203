"""Zip archives for fuzzing: torch's layout, told by records that need not agree with each other."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, replace

from tests.scanner import opcode_builder as build

_NAMES = (
    "data.pkl", "data/0", "data/1", "byteorder", "version", ".format_version",
    ".data/serialization_id", "constants.pkl", "DATA.PKL", "Data/0", "code/x.py", "data.pkl ",
    "./data.pkl", "x/data.pkl",
)  # fmt: skip
#: Without these torch does not take the file.
_NEEDED = ("data.pkl", "data/0", "data/1", "version")
_FOLDERS = ("archive", "archive", "archive", "Archive", "other", "", "a/b")
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True)
class Entry:
    """A member as its two headers have it; ``data`` is what lies between them."""

    name: bytes
    data: bytes
    method: int = _STORED
    crc32: int = 0
    packed: int = 0
    size: int = 0
    flags: int = 0
    extra: bytes = b""
    shift: int = 0


class Archives:
    """Random archives out of one seed. Every pickle in them names something of its own."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._number = 0

    def archive(self) -> bytes:
        rng = self._rng
        folder = rng.choice(_FOLDERS[:3]) if rng.random() < 0.8 else rng.choice(_FOLDERS)
        members = [self._member(folder, name) for name in _NEEDED]
        if rng.random() < 0.5:
            rng.shuffle(members)
        for _ in range(rng.randrange(3)):
            other = folder if rng.random() < 0.7 else rng.choice(_FOLDERS)
            members.insert(rng.randrange(len(members) + 1), self._member(other, rng.choice(_NAMES)))
        raw = self._written(members)
        if rng.random() < 0.1:
            raw = rng.choice((raw + self._written(members[:1]), self._pickle() + raw))
        if rng.random() < 0.5:
            raw = self._bent(raw)
        return raw

    def _pickle(self) -> bytes:
        self._number += 1
        return build.pickled(
            build.tuple_of(
                build.name("made_up", f"n{self._number}"), _tensor("0"), _tensor("1"),
            )
        )  # fmt: skip

    def _member(self, folder: str, name: str) -> tuple[Entry, Entry]:
        """A member's entries before its data and in the directory."""
        rng = self._rng
        if name.lower().strip().endswith(".pkl"):
            plain = self._pickle()
        elif "data/" in name.lower():
            plain = rng.randbytes(16)
        elif name == "version":
            plain = b"3\n"
        else:
            plain = rng.choice((b"little", b"big", b"3\n", b"1", self._pickle()))
        data, method = plain, _STORED
        if rng.random() < 0.15:
            packer = zlib.compressobj(wbits=-15)
            data, method = packer.compress(plain) + packer.flush(), _DEFLATED
        path = f"{folder}/{name}" if folder else name
        entry = Entry(
            path.encode(), data, method, zlib.crc32(plain), len(data), len(plain),
            extra=b"FB\x05\0ZZZZZ" if rng.random() < 0.3 else b"",
        )  # fmt: skip
        local = central = entry
        if rng.random() < 0.15:
            local = self._wrong(local)
        if rng.random() < 0.15:
            central = self._wrong(central)
        if rng.random() < 0.05:
            local = central = self._wrong(entry)
        return local, central

    def _wrong(self, entry: Entry) -> Entry:
        rng = self._rng
        kind = rng.randrange(8)
        if kind == 0:
            return replace(entry, name=rng.choice((entry.name.upper(), entry.name + b"\0", b"x/y")))
        if kind == 1:
            return replace(entry, method=rng.choice((_STORED, _DEFLATED, 12, 99)))
        if kind == 2:
            return replace(entry, crc32=rng.choice((0, entry.crc32 ^ 1)))
        if kind == 3:
            return replace(entry, packed=max(entry.packed + rng.choice((-7, -1, 1, 40)), 0))
        if kind == 4:
            return replace(entry, size=max(entry.size + rng.choice((-7, -1, 1, 40)), 0))
        if kind == 5:
            return replace(entry, flags=rng.choice((1, 8, 0x20, 0x40, 0x800, 0x2000)))
        if kind == 6:
            # The 64-bit field wins where the short ones are full.
            wide = struct.pack("<HHQQ", 1, 16, entry.size, entry.packed)
            return replace(entry, size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=wide)
        return replace(entry, shift=rng.choice((-1, 1, 4, 30)))

    def _written(self, members: list[tuple[Entry, Entry]]) -> bytes:
        rng = self._rng
        body, directory = bytearray(), bytearray()
        for local, central in members:
            at = len(body)
            body += struct.pack(
                "<4s5H3I2H", b"PK\x03\x04", 20, local.flags, local.method, 0, 0, local.crc32,
                local.packed, local.size, len(local.name), len(local.extra),
            )  # fmt: skip
            body += local.name + local.extra + local.data
            directory += struct.pack(
                "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, central.flags, central.method, 0, 0,
                central.crc32, central.packed, central.size, len(central.name),
                len(central.extra), 0, 0, 0, 0, max(at + central.shift, 0),
            )  # fmt: skip
            directory += central.name + central.extra
        prefix = b"" if rng.random() < 0.93 else rng.randbytes(rng.randrange(1, 40))
        comment = b"" if rng.random() < 0.93 else self._pickle()
        entries = len(members) + (0 if rng.random() < 0.95 else rng.choice((-1, 1)))
        at = len(body) + (len(prefix) if rng.random() < 0.5 else 0)
        end = struct.pack(
            "<4s4H2IH", b"PK\x05\x06", 0, 0, entries, entries, len(directory),
            max(at + (0 if rng.random() < 0.97 else rng.choice((-4, 4))), 0), len(comment),
        )  # fmt: skip
        return prefix + bytes(body) + bytes(directory) + end + comment

    def _bent(self, raw: bytes) -> bytes:
        rng = self._rng
        changed = bytearray(raw)
        marks = [at for at in range(len(raw) - 4) if raw[at : at + 2] == b"PK"]
        for _ in range(rng.randrange(1, 4)):
            # Rather in a record than in data.
            at = rng.choice(marks) + rng.randrange(60) if marks else rng.randrange(len(raw))
            at = min(at, len(changed) - 1)
            kind = rng.randrange(5)
            if kind < 3:
                changed[at] = rng.choice((0, 1, 0xFF, changed[at] ^ 1 << rng.randrange(8)))
            elif kind == 3:
                del changed[at]
            else:
                changed.insert(at, rng.randrange(256))
        return bytes(changed)


def _tensor(key: str) -> bytes:
    return build.call(
        build.name("torch._utils", "_rebuild_tensor_v2"),
        build.storage(key=key),
        build.integer(0),
        build.tuple_of(build.integer(4)),
        build.tuple_of(build.integer(1)),
        build.op("NEWFALSE"),
        build.ordered_dict(),
    )
