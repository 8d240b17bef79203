"""Bounded reads: nothing beyond the end, whatever the source."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import FileError
from scanner.source import BytesSource, InflatedSource

DATA = bytes(range(256)) * 2_000


def _inflated(data: bytes) -> InflatedSource:
    packer = zlib.compressobj(wbits=-15)
    return InflatedSource(BytesSource(packer.compress(data) + packer.flush()), len(data))


@given(offset=st.integers(0, len(DATA)), length=st.integers(0, 5_000))
def test_an_inflated_source_reads_as_if_it_were_stored(offset: int, length: int) -> None:
    length = min(length, len(DATA) - offset)
    assert _inflated(DATA).read(offset, length) == DATA[offset : offset + length]


def test_a_step_back_in_an_inflated_source_starts_over() -> None:
    source = _inflated(DATA)
    assert source.read(300_000, 10) == DATA[300_000:300_010]
    assert source.read(0, 10) == DATA[:10]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (5, 6), (11, 0)])
def test_reading_beyond_the_end_is_the_files_fault(offset: int, length: int) -> None:
    source = BytesSource(bytes(10))
    with pytest.raises(FileError, match="beyond_end"):
        source.read(offset, length)
    with pytest.raises(FileError, match="beyond_end"):
        source.window(offset, length)


def test_a_window_in_a_window_knows_its_place_in_the_file() -> None:
    inner = BytesSource(DATA, file_offset=100).window(10, 50).window(5, 10)
    assert inner.file_offset == 115
    assert inner.read(0, 10) == DATA[15:25]


def test_a_packed_stream_that_ends_early_is_short() -> None:
    source = _inflated(DATA)
    source.size += 1
    with pytest.raises(FileError, match="short"):
        source.read(len(DATA) - 1, 2)
