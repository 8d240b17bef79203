"""Pickles where none belongs, wherever they begin."""

from __future__ import annotations

import pytest

from scanner.formats import pickles
from scanner.limits import DEFAULT
from scanner.source import CHUNK, BytesSource
from tests.scanner.formats.files import EVIL, read
from tests.scanner.opcode_builder import STOP, op

_TEXT = EVIL[2:]
_SHORT = b"\x8c\x02os\x94\x8c\x06system\x94\x93" + op("EMPTY_TUPLE") + op("REDUCE") + STOP


def _found(data: bytes) -> set[str]:
    traces = pickles.hidden(BytesSource(data), DEFAULT, "bytes")
    return {str(use.target) for trace in traces for use in trace.imports}


@pytest.mark.parametrize("pickle", [EVIL, _TEXT, _SHORT])
@pytest.mark.parametrize(
    "before",
    [
        b"\0" * 7, b"basic", b"(((iii", b"word\nanother\n", b"\x80\x02" * 100,
        b"cabc\ndef\n." * 100, b"\x80\x02N." * 500,
    ],
)  # fmt: skip
def test_a_pickle_is_found_behind_anything(before: bytes, pickle: bytes) -> None:
    assert "os.system" in _found(b"\0" + before + pickle)


@pytest.mark.parametrize("reach", [1, 4, 10, 20])
@pytest.mark.parametrize("pickle", [EVIL, _TEXT, _SHORT])
def test_a_pickle_that_lies_across_two_chunks_is_found(pickle: bytes, reach: int) -> None:
    assert "os.system" in _found(bytes(CHUNK - reach) + pickle)


def test_a_flood_of_harmless_pickles_is_cut_but_hides_nothing() -> None:
    data = b"\0" + b"cmine\nThing\n." * 200 + _TEXT
    traces = list(pickles.hidden(BytesSource(data), DEFAULT, "bytes"))
    assert len(traces) < 50
    assert any(str(use.target) == "os.system" for trace in traces for use in trace.imports)


def test_prose_holds_no_pickle() -> None:
    assert not _found(b"a list of\nwords\nsuch as\ncats\nicons\ncos\nsin\n" * 200)
    assert not read(b"cos\nsin\ntan\n").traces
