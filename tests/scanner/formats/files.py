"""Files for the readers' tests: genuine ones from torch, hostile ones byte by byte. Only genuine
ones are ever loaded."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

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


def safetensors(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def entry(
    begin: int, end: int, dtype: str = "F32", shape: list[int] | None = None
) -> Mapping[str, object]:
    """One tensor of a safetensors header."""
    sizes = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": sizes, "data_offsets": [begin, end]}
