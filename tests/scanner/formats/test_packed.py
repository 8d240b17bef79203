"""Files packed as a whole, of any size: read as if they were not, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import torch

from scanner import reading
from scanner.formats import inflate
from scanner.formats.inflate import WRAPPERS, Unwrapped
from scanner.limits import DEFAULT, MIB, Limits
from scanner.report import Format
from scanner.source import BytesSource
from tests.scanner.formats.files import EVIL, HARMLESS, imports, read, rules, saved

#: Wrappers are streamed from here on, instead of held in memory.
SMALL = Limits(pickle_bytes=1 * MIB)
GZIP = WRAPPERS[0]


def _large(megabytes: int) -> bytes:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 60, (megabytes * MIB,), dtype=torch.uint8, generator=generator)
    return saved({"a": numbers, "b": torch.arange(5.0), "c": numbers[:9].clone()})


def test_a_checkpoint_larger_than_memory_allows_is_streamed() -> None:
    packed = gzip.compress(_large(20), 1)
    tracemalloc.start()
    found = reading.read(BytesSource(packed, 0), SMALL)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.format is Format.TORCH_ZIP
    assert {finding.rule for finding in found.findings} == {"compressed"}
    assert found.table is not None
    by_name = {tensor.name: tensor for tensor in found.table}
    assert by_name["b"].read() == bytes(torch.arange(5.0).numpy().tobytes())
    assert by_name["a"].read(9) == by_name["c"].read()
    assert peak < 12 * MIB


def test_reading_may_jump_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_STRIDE", 64 * 1024)
    plain = bytes(number * number >> 3 & 255 for number in range(700_000))
    packed = gzip.compress(plain[:300_000]) + gzip.compress(plain[300_000:])
    source = Unwrapped(GZIP, BytesSource(packed), DEFAULT)
    assert source.size == len(plain)
    assert source.complete
    assert source.used == len(packed)
    for at in (699_990, 0, 299_995, 650_000, 300_000, 5, 400_000, 399_999):
        assert source.read(at, 10) == plain[at : at + 10]
    assert source.read(0, len(plain)) == plain


def test_a_bomb_is_given_up_early() -> None:
    bomb = gzip.compress(bytes(80 * MIB))
    found = read(bomb, SMALL)
    assert [finding.rule for finding in found.findings] == ["limit-reached"]
    assert found.format is Format.ARCHIVE


def test_what_cannot_be_taken_up_in_the_middle_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_MOST_HELD", 1 * MIB)
    for pack in (bz2.compress, lzma.compress):
        assert "limit-reached" in rules(read(pack(_large(2))))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_payload_before_a_broken_byte_is_traced(pack: Callable[[bytes], bytes]) -> None:
    packed = bytearray(pack(EVIL + bytes(range(256)) * 8000))
    if pack is zlib.compress:
        packed[-2] ^= 255
    else:
        del packed[-3:]
    found = read(bytes(packed))
    assert "compressed-broken" in rules(found)
    assert "os.system" in imports(found)


def test_what_follows_a_packed_file_is_looked_into() -> None:
    found = read(gzip.compress(HARMLESS) + EVIL)
    assert "bytes-left-over" in rules(found)
    assert "os.system" in imports(found)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(EVIL)[:-8] + bytes(8),
        gzip.compress(HARMLESS) + gzip.compress(EVIL)[:-8] + bytes(8),
        zlib.compress(EVIL)[:-4] + bytes(4),
        # bzip2 gives a block whole, and compares its sum in the same step.
        bz2.compress(EVIL + bytes(1000))[:-4] + bytes(4),
    ],
    # gzip writes the time of day, and every worker has to call a test the same.
    ids=["gzip", "gzip behind gzip", "zlib", "bzip2"],
)
def test_what_lies_before_a_wrong_checksum_is_read(packed: bytes) -> None:
    """A loader has run it by the time it compares the sums."""
    found = read(packed)
    assert "os.system" in imports(found)
    assert "compressed-broken" in rules(found)
