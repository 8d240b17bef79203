from __future__ import annotations

import hashlib
import random
import threading
import zlib

import blake3
import pytest

from scanner import hashes
from scanner.errors import EngineError, FileError
from scanner.report import Hashes
from scanner.source import BytesSource

_DATA = random.Random(7).randbytes(3 * 1024 * 1024 + 17)


def test_every_digest_of_a_file() -> None:
    found = hashes.digest(BytesSource(_DATA), data_offset=1000)
    sha256 = hashlib.sha256(_DATA).hexdigest()
    assert found.sha256 == sha256
    assert found.blake3 == blake3.blake3(_DATA).hexdigest()
    assert found.crc32 == f"{zlib.crc32(_DATA):08x}"
    part = _DATA[1 << 20 : (1 << 20) + (1 << 16)]
    assert found.autov1 == hashlib.sha256(part).hexdigest()[:8]
    assert found.autov2 == sha256[:10]
    assert found.autov3 == hashlib.sha256(_DATA[1000:]).hexdigest()[:12]


def test_small_files_have_no_autov1_and_other_formats_no_autov3() -> None:
    found = hashes.digest(BytesSource(b"abc"), data_offset=None)
    assert (found.autov1, found.autov3) == (None, None)
    assert found.sha256 == hashlib.sha256(b"abc").hexdigest()
    empty = hashes.digest(BytesSource(b""), data_offset=None)
    assert empty.sha256 == hashlib.sha256(b"").hexdigest()
    assert empty.crc32 == "00000000"


def test_progress_ends_at_the_size() -> None:
    seen: list[tuple[int, int]] = []
    hashes.digest(BytesSource(_DATA), data_offset=8, progress=lambda *step: seen.append(step))
    assert seen[-1] == (len(_DATA), len(_DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_jail_without_threads_changes_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = hashes.digest(BytesSource(_DATA), data_offset=1000)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert hashes.digest(BytesSource(_DATA), data_offset=1000) == expected


def test_a_read_that_fails_is_the_files_fault() -> None:
    class Short(BytesSource):
        def _pread(self, offset: int, length: int) -> bytes:
            return b""

    with pytest.raises(FileError, match=r"read\.short"):
        hashes.digest(Short(_DATA), data_offset=None)


def _pushed(data: bytes, *sizes: int) -> Hashes:
    digests = hashes.Digests()
    at = 0
    for size in (*sizes, len(data)):
        digests.update(data[at : at + size])
        at += size
    return digests.hashes()


@pytest.mark.parametrize("size", [1, 9, 1000, 65_536, 1 << 20, 5 << 20])
def test_bytes_that_arrive_in_pieces_of_any_size(size: int) -> None:
    header = (992).to_bytes(8, "little") + b"{"
    data = header + _DATA[: 992 - 1] + random.Random(1).randbytes(6 * 1024 * 1024)
    whole = hashes.digest(BytesSource(data), data_offset=1000)
    assert whole.autov3 == hashlib.sha256(data[1000:]).hexdigest()[:12]
    few = (size,) * min(len(data) // size, 3_000)
    assert _pushed(data, *few) == whole


@pytest.mark.parametrize(
    "head",
    [b"", b"PK\x03\x04", (5).to_bytes(8, "little"), (5).to_bytes(8, "little") + b"[",
     (100_000_001).to_bytes(8, "little") + b"{", (50_000).to_bytes(8, "little") + b"{"],
)  # fmt: skip
def test_bytes_that_cannot_be_safetensors_have_no_autov3(head: bytes) -> None:
    assert _pushed(head, 3).autov3 is None
    assert _pushed(head).sha256 == hashlib.sha256(head).hexdigest()


def test_digests_that_are_given_are_taken_where_the_checksum_fits() -> None:
    source = BytesSource(_DATA)
    whole = hashes.digest(source, data_offset=1000)
    given = whole._replace(blake3="0" * 64)
    assert hashes.checked(source, given, data_offset=1000) == given
    # What only looked like safetensors has no AutoV3.
    assert hashes.checked(source, given, data_offset=None) == given._replace(autov3=None)
    # Without the digest that it should have, everything is computed.
    assert hashes.checked(source, given._replace(autov3=None), data_offset=1000) == whole


def test_digests_of_another_file_are_refused() -> None:
    given = hashes.digest(BytesSource(_DATA[:-1]), data_offset=None)
    with pytest.raises(EngineError, match=r"hashes\.other_file"):
        hashes.checked(BytesSource(_DATA), given, data_offset=None)
