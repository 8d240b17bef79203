"""Broken and hostile files through the ordinary upload and the real engine.

Each one ends with a verdict that keeps it from being served; nothing runs, nothing is lost, and
the next good file goes through as if nothing had been.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from registry import uploads
from registry.models import Version
from registry.pipeline import tasks
from registry.states import RunState, Stage
from tests.registry import making

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

_MARKER = "/tmp/weighhouse-bad-file-was-run"
_COMMAND = f"touch {_MARKER}".encode()


def _call(module: bytes, name: bytes, argument: bytes = _COMMAND) -> bytes:
    """A protocol 2 pickle that calls ``module.name(argument)`` when it is loaded."""
    text = b"X" + struct.pack("<I", len(argument)) + argument
    return b"\x80\x02c" + module + b"\n" + name + b"\n" + text + b"\x85R."


_SYSTEM = _call(b"posix", b"system")
_SAFE = b"\x80\x02}."


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _torch(pickle: bytes, **more: bytes) -> bytes:
    return _zip({"archive/data.pkl": pickle, "archive/version": b"3\n"} | more)


def _safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _tensor(start: int, end: int, shape: list[int] | None = None) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape or [(end - start) // 4], "data_offsets": [start, end]}


def _flipped_flag() -> bytes:
    data = bytearray(_torch(_SYSTEM))
    data[6] |= 1  # "encrypted", in the local header only
    return bytes(data)


def _noise() -> bytes:
    return random.Random(7).randbytes(4096)


MALICIOUS: dict[str, bytes] = {
    "pickle": _SYSTEM,
    "pickle-named-safetensors": _SYSTEM,
    "protocol-0": b"cposix\nsystem\n(S'" + _COMMAND + b"'\ntR.",
    "inst": b"(S'" + _COMMAND + b"'\niposix\nsystem\n.",
    "obj": b"(cposix\nsystem\nX" + struct.pack("<I", len(_COMMAND)) + _COMMAND + b"o.",
    "stack-global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c"
    + bytes([len(_COMMAND)])
    + _COMMAND
    + b"\x85R.",
    "eval": _call(b"builtins", b"eval", b"1"),
    "python-2-eval": _call(b"__builtin__", b"eval", b"1"),
    "importlib": _call(b"importlib", b"import_module", b"os"),
    "subprocess": _call(b"subprocess", b"check_output"),
    "dotted": b"\x80\x04\x8c\x05torch\x8c\x17serialization.os.system\x93\x8c"
    + bytes([len(_COMMAND)])
    + _COMMAND
    + b"\x85R.",
    "second-pickle": _SAFE + _SYSTEM,
    "payload-then-garbage": _SYSTEM[:-1] + b"\xff\xfe",
    "payload-then-end": _SYSTEM[:-1],
    "torch-zip": _torch(_SYSTEM),
    "torch-zip-upper-case": _zip({"archive/DATA.PKL": _SYSTEM, "archive/version": b"3\n"}),
    "torch-zip-deflated": _zip({"archive/data.pkl": _SYSTEM}, zipfile.ZIP_DEFLATED),
    "torch-zip-flag": _flipped_flag(),
    "two-zips": _torch(_SAFE) + _torch(_SYSTEM),
    "zip-behind-pickle": _SYSTEM + _torch(_SAFE),
    "zip-in-zip": _zip({"inner.zip": _torch(_SYSTEM)}),
    "gzip": gzip.compress(_SYSTEM),
    "zlib": zlib.compress(_SYSTEM),
    "bz2": bz2.compress(_SYSTEM),
    "xz": lzma.compress(_SYSTEM),
    "loader-of-bytes": b"\x80\x03ctorch.storage\n_load_from_bytes\nB"
    + struct.pack("<I", len(_SYSTEM))
    + _SYSTEM
    + b"\x85R.",
    "partial": b"\x80\x02cfunctools\npartial\ncposix\nsystem\n\x85R.",
    "trampoline": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\nN)NtR.",
    "pickle-before-safetensors": _SYSTEM + _safetensors({"a": _tensor(0, 4)}, b"\0" * 4),
}

BROKEN: dict[str, bytes] = {
    "one-byte": b"\x80",
    "text": b"This is not a model.",
    "noise": _noise(),
    "html": b"<!doctype html><title>404 Not Found</title>",
    "truncated-zip": _torch(_SAFE)[:-30],
    "zip-of-a-text": _zip({"readme.txt": b"no model in here"}) + b"tail",
    "zip-with-a-path": _zip({"../../etc/passwd": b"x", "archive/data.pkl": _SAFE}),
    "pickle-without-stop": _SAFE[:-1],
    "unknown-opcode": b"\x80\x02\xf0.",
    "memo-bomb": b"\x80\x02]r\xff\xff\xff\xff.",
    "length-bomb": b"\x80\x02X\xff\xff\xff\x7f.",
    "mark-bomb": b"(" * 300_000 + b".",
    "digits": b"L" + b"9" * 100_000 + b"L\n.",
    "safetensors-header-too-long": _safetensors({}, length=2**40),
    "safetensors-not-json": _safetensors(b"{not json"),
    "safetensors-deep": _safetensors(b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    "safetensors-overlap": _safetensors({"a": _tensor(0, 8), "b": _tensor(4, 12)}, b"\0" * 12),
    "safetensors-hole": _safetensors({"a": _tensor(0, 4), "b": _tensor(8, 12)}, b"\0" * 12),
    "safetensors-short": _safetensors({"a": _tensor(0, 400)}, b"\0" * 4),
    "safetensors-shape": _safetensors({"a": _tensor(0, 4, [2**62, 2**62])}, b"\0" * 4),
    "safetensors-tail": _safetensors({"a": _tensor(0, 4)}, b"\0" * 4 + b"tail"),
    "gguf-cut": b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60),
    "seven-zip": b"7z\xbc\xaf'\x1c" + bytes(64),
    "missing-storage": _torch(
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
        b"FloatStorage\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x01tQK\x00K\x01\x85K\x01\x85"
        b"\x89ccollections\nOrderedDict\n)RtR."
    ),
}


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    assert not Path(_MARKER).exists()


def judged(name: str, data: bytes) -> Version:
    version = making.version()
    making.artifact(version, data=data, name=name)
    uploads.submit(version, by=version.created_by)
    tasks.work(version.runs.get().pk)
    version.refresh_from_db()
    assert version.runs.filter(state=RunState.DONE).exists(), version.runs.get().error_detail
    assert not Path(_MARKER).exists()
    return version


def test_there_are_enough_of_them() -> None:
    assert len(MALICIOUS) + len(BROKEN) >= 40


@pytest.mark.parametrize("name", MALICIOUS)
def test_a_hostile_file_is_called_malicious_and_quarantined(name: str) -> None:
    version = judged(f"{name}.ckpt", MALICIOUS[name])
    assert (version.verdict, version.stage) == ("malicious", Stage.QUARANTINED)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_anything_but_clean(name: str) -> None:
    version = judged(f"{name}.safetensors", BROKEN[name])
    assert version.verdict in {"suspicious", "unreadable", "malicious"}
    report = version.artifacts.get().blob.report()
    assert report is not None
    assert report.data["safety"]["findings"]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_file_that_broke_off_anywhere_is_not_clean(cut: int) -> None:
    whole = _torch(_SAFE)
    assert judged("cut.ckpt", whole[: len(whole) * cut // 12]).verdict != "clean"


def test_a_good_file_goes_through_after_all_that() -> None:
    assert judged("good.safetensors", making.safetensors(1)).stage == Stage.INSPECTED
