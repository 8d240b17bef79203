"""What a file is follows from its bytes; what nobody can read is never clean."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.report import Format, Severity
from tests.scanner.formats.files import EVIL, HARMLESS, imports, read, rules, saved, zipped

STATE = {"w": torch.ones(2, 3)}


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "data"),
    [
        (Format.TORCH_ZIP, saved(STATE)),
        (Format.TORCH_LEGACY, saved(STATE, legacy=True)),
        (Format.PICKLE, HARMLESS),
        (Format.NUMPY, _npy(np.ones((2, 3), np.float32))),
        (Format.NUMPY, zipped(("a.npy", _npy(np.ones(3))), ("b.npy", _npy(np.ones(2))))),
        (Format.ZIP, zipped(("model.pt", saved(STATE)))),
        (Format.TORCH_ZIP, gzip.compress(saved(STATE))),
    ],
)
def test_a_sound_file_is_known_and_has_nothing_wrong(format: Format, data: bytes) -> None:
    found = read(data)
    assert found.format is format
    assert {finding.severity for finding in found.findings} <= {Severity.NOTE}


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("empty-file", b""),
        ("unknown-format", bytes(range(256)) * 4),
        ("unsupported-archive", b"7z\xbc\xaf\x27\x1c" + bytes(40)),
        ("unsupported-archive", b"Rar!\x1a\x07\x01\x00" + bytes(40)),
        ("unsupported-archive", b"MSCF\0\0\0\0" + bytes(40)),
        ("unsupported-archive", b"\x28\xb5\x2f\xfd" + bytes(40)),
        ("unsupported-archive", b"\x89HDF\r\n\x1a\n" + bytes(40)),
        ("foreign-file", b"MZ" + bytes(40)),
        ("foreign-file", b"\x7fELF" + bytes(40)),
        ("foreign-file", b"\xa7\r\r\n" + bytes(12) + b"\xe3" + bytes(40)),
        ("foreign-file", b"\x1c\0\0\0TFL3" + bytes(40)),
        ("foreign-file", b"\x08\x07\x12\x07pytorch" + bytes(40)),
        ("picture", b"\x89PNG\r\n\x1a\n" + bytes(40)),
        ("text", b"a plain note, and nothing else"),
    ],
)
def test_what_is_no_model_is_never_clean(rule: str, data: bytes) -> None:
    found = read(data)
    assert rule in rules(found)
    assert any(finding.severity is not Severity.NOTE for finding in found.findings)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_a_packed_pickle_is_traced(pack: Callable[[bytes], bytes]) -> None:
    assert "os.system" in imports(read(pack(EVIL)))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_streams_that_follow_one_another_are_one_file(pack: Callable[[bytes], bytes]) -> None:
    """As Python's own readers take them: a payload may be split between two."""
    assert "os.system" in imports(read(pack(HARMLESS) + pack(EVIL)))
    assert "os.system" in imports(read(pack(EVIL[:9]) + pack(EVIL[9:])))


@pytest.mark.parametrize("window", range(9, 16))
def test_zlib_s_smaller_windows_are_known(window: int) -> None:
    packer = zlib.compressobj(wbits=window)
    assert "os.system" in imports(read(packer.compress(EVIL) + packer.flush()))


def test_joblib_s_first_format_is_read() -> None:
    header = b"ZF" + hex(len(EVIL)).encode().ljust(19)
    assert "os.system" in imports(read(header + zlib.compress(EVIL)))


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0"])
def test_a_pickle_in_a_picture_is_traced(magic: bytes) -> None:
    found = read(magic + bytes(40) + EVIL)
    assert found.format is Format.IMAGE
    assert "os.system" in imports(found)


HEADS = {
    "safetensors": (2).to_bytes(8, "little") + b"{}",
    "gguf": b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
    "numpy": _npy(np.ones(3)),
    "gzip": gzip.compress(HARMLESS),
    "bzip2": bz2.compress(HARMLESS),
    "pickle": HARMLESS,
    "torch zip": saved(STATE),
    "zip": zipped(("notes", b"text")),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(30),
    "program": b"MZ" + bytes(60),
}


def _tar(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


UNREAD = ("picture", "7z", "program")
TAILS = {
    "pickle": EVIL,
    "zip": zipped(("a/data.pkl", EVIL)),
    "deflated zip": zipped(("a/data.pkl", EVIL), method=8),
    "tar": _tar("pickle", EVIL),
    "gzip": gzip.compress(EVIL),
    "bzip2": bz2.compress(EVIL),
    "xz": lzma.compress(EVIL),
    "objects": _npy(np.array([{"a": 1}], dtype=object)),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("head", HEADS)
def test_one_file_behind_another_is_read_too(head: str, tail: str) -> None:
    if head in UNREAD and tail in ("gzip", "bzip2", "xz"):
        # Nobody knows where such a file ends, nor would anybody look for a stream there.
        return
    found = read(HEADS[head] + TAILS[tail])
    assert imports(found) & {"os.system", "numpy._core.multiarray._reconstruct"}


def test_every_pickle_of_a_stream_is_traced() -> None:
    found = read(HARMLESS + HARMLESS + EVIL)
    assert len(found.traces) == 3
    assert "os.system" in imports(found)


def test_bytes_behind_a_pickle_are_reported() -> None:
    assert "bytes-left-over" in rules(read(HARMLESS + b"\xff\xff\xff"))


def test_an_object_array_is_a_pickle() -> None:
    found = read(_npy(np.array([{"a": 1}], dtype=object)))
    assert found.traces
    assert "numpy._core.multiarray._reconstruct" in imports(found)


@pytest.mark.parametrize("record", ["pickle", "tensors", "storages", "sys_info"])
def test_every_record_of_an_old_tar_is_traced(record: str) -> None:
    """CVE-2025-32434: torch.load(weights_only=True) unpickled them."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:") as archive:
        info = tarfile.TarInfo(record)
        info.size = len(EVIL)
        archive.addfile(info, io.BytesIO(EVIL))
    found = read(file.getvalue())
    assert found.format is Format.TORCH_TAR
    assert "torch-tar" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize("place", range(5))
def test_a_payload_in_any_of_the_legacy_pickles_is_traced(place: int) -> None:
    data = saved(STATE, legacy=True)
    ends = [trace.end for trace in read(data).traces]
    start = ends[place - 1] if place else 0
    assert "os.system" in imports(read(data[:start] + EVIL + data[ends[place] :]))


@pytest.mark.parametrize("legacy", [True, False])
def test_a_name_in_the_file_system_is_never_asked_for(legacy: bool) -> None:
    # The source has no name: what is recognised, is recognised by its bytes.
    assert read(saved(STATE, legacy=legacy)).table is not None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_never_crashes_a_reader(data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from(
            [
                saved(STATE), saved(STATE, legacy=True), zipped(("a.npy", _npy(np.ones(3)))),
                gzip.compress(HARMLESS), HARMLESS, _npy(np.ones(3)),
            ]
        )
    )  # fmt: skip
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(damaged)))
    assert "engine-error" not in rules(read(bytes(damaged[:cut])))
