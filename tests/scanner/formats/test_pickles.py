"""Pickles where none belongs, wherever they begin."""

from __future__ import annotations

import pytest

from scanner.formats import pickles
from scanner.limits import DEFAULT
from scanner.source import CHUNK, BytesSource
from tests.scanner.formats.files import EVIL, read
from tests.scanner.opcode_builder import STOP, op, proto

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


def test_a_hidden_call_in_old_text_begins_at_its_mark() -> None:
    # INST takes its arguments from above the last mark, which no word of the line itself is.
    raw = b"\0\1 junk (S'id'\nios\nsystem\n."
    found = list(pickles.hidden(BytesSource(raw), DEFAULT, "m"))
    assert [str(call.callee) for trace in found for call in trace.calls] == ["os.system"]


def test_an_unpickler_that_reads_on_shifts_what_later_pickles_memoize() -> None:
    # The third pickle recalls what the second remembered, behind what the first did.
    def short(word: bytes) -> bytes:
        return op("SHORT_BINUNICODE", bytes([len(word)]) + word)

    first = proto(4) + short(b"x") + op("MEMOIZE") + b"."
    second = proto(4) + short(b"os") + op("MEMOIZE") + b"."
    third = proto(4) + op("BINGET", b"\1") + short(b"system") + op("STACK_GLOBAL") + b"."
    stream = pickles.stream(BytesSource(first + second + third), DEFAULT, "m")
    ways = [way for trace in stream.traces for way in (trace, *trace.alternates)]
    assert "os.system" in {str(use.target) for way in ways for use in way.imports}


def test_behind_a_thousand_pickles_one_is_still_read() -> None:
    stream = pickles.stream(BytesSource((proto(2) + b"N.") * 3_000 + EVIL), DEFAULT, "m")
    assert len(stream.traces) < 1_100
    assert "os.system" in {str(use.target) for trace in stream.traces for use in trace.imports}


def test_a_stream_of_more_pickles_than_the_limit_allows_is_not_read_whole() -> None:
    limits = DEFAULT._replace(opcodes=32 * 2_000)
    stream = pickles.stream(BytesSource((proto(2) + b"N.") * 3_000), limits, "m")
    assert stream.broken
