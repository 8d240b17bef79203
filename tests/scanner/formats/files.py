"""Files for the readers' tests: genuine ones from torch, hostile ones byte by byte. Only genuine
ones are ever loaded."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from scanner import reading
from scanner.limits import DEFAULT, Limits
from scanner.reading import Reading
from scanner.source import BytesSource
from tests.scanner.opcode_builder import call, name, pickled, text

HARMLESS = pickled(text("harmless"))
EVIL = pickled(call(name("os", "system"), text("touch marker")))


def read(data: bytes, limits: Limits = DEFAULT) -> Reading:
    """The reading, with the promise that every byte of the file belongs to one extent."""
    found = reading.read(BytesSource(data, file_offset=0), limits)
    at = 0
    for extent in found.extents:
        assert extent.offset == at
        assert extent.size > 0
        at += extent.size
    assert at == len(data)
    return found


def rules(found: Reading) -> set[str]:
    return {finding.rule for finding in found.findings}


def imports(found: Reading) -> set[str]:
    return {str(use.target) for trace in found.traces for use in trace.imports}


def saved(value: object, *, legacy: bool = False, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip with the members in order, duplicates and all."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name_, data in members:
            archive.writestr(zipfile.ZipInfo(name_), data, method)
    return file.getvalue()


@dataclass
class Record:
    """A zip member whose two records may say different things. ``data`` is what lies there as it
    is; ``local`` and ``central`` override fields: method, flags, crc, packed, size, name, extra,
    comment, disk, offset."""

    name: bytes
    data: bytes
    local: Mapping[str, object] = field(default_factory=dict)
    central: Mapping[str, object] = field(default_factory=dict)

    def fields(self, offset: int, overrides: Mapping[str, object]) -> dict[str, object]:
        size = len(self.data)
        plain = {
            "name": self.name, "method": 0, "flags": 0, "crc": zlib.crc32(self.data),
            "packed": size, "size": size, "extra": b"", "comment": b"", "disk": 0, "offset": offset,
        }  # fmt: skip
        return {**plain, **overrides}


def _numbers(found: Mapping[str, object], *names: str) -> list[object]:
    return [found[name] for name in names]


def _raw(found: Mapping[str, object], key: str) -> bytes:
    value = found[key]
    assert isinstance(value, bytes)
    return value


def _local(found: dict[str, object]) -> bytes:
    name, extra = _raw(found, "name"), _raw(found, "extra")
    head = struct.pack("<4s5H", b"PK\3\4", 20, *_numbers(found, "flags", "method"), 0, 0x21)
    sizes = struct.pack("<3I", *_numbers(found, "crc", "packed", "size"))
    return head + sizes + struct.pack("<2H", len(name), len(extra)) + name + extra


def _central(found: dict[str, object]) -> bytes:
    parts = [bytes(found[key]) for key in ("name", "extra", "comment")]  # type: ignore[call-overload]
    head: bytes = struct.pack(
        "<4s6H", b"PK\1\2", 20, 20, *_numbers(found, "flags", "method"), 0, 0x21
    )
    sizes = struct.pack("<3I", *_numbers(found, "crc", "packed", "size"))
    lengths = struct.pack("<3H", *map(len, parts))
    place = struct.pack("<HHII", *_numbers(found, "disk"), 0, 0, *_numbers(found, "offset"))
    return head + sizes + lengths + place + b"".join(parts)


def end_record(entries: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    counts = (0, 0, entries, entries, size, offset, len(comment))
    record: bytes = struct.pack("<4s4H2IH", b"PK\5\6", *counts)
    return record + comment


def crafted(members: Sequence[Record], comment: bytes = b"") -> bytes:
    """A zip record by record, lies and all."""
    body, directory = b"", b""
    for member in members:
        directory += _central(member.fields(len(body), member.central))
        body += _local(member.fields(0, member.local)) + member.data
    return body + directory + end_record(len(members), len(directory), len(body), comment)


def safetensors(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def entry(
    begin: int, end: int, dtype: str = "F32", shape: list[int] | None = None
) -> Mapping[str, object]:
    """One tensor of a safetensors header."""
    sizes = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": sizes, "data_offsets": [begin, end]}
