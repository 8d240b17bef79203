"""joblib's arrays stand in the middle of the pickle; what is behind them is read all the same."""

from __future__ import annotations

import gzip

import pytest

from scanner.formats.joblib_arrays import Spliced
from scanner.report import Format
from scanner.source import BytesSource
from tests.scanner.formats.files import EVIL, imports, read
from tests.scanner.opcode_builder import (
    STOP,
    call,
    dict_of,
    integer,
    name,
    op,
    pickled,
    proto,
    text,
    tuple_of,
)

SYSTEM = call(name("os", "system"), text("touch marker"))


def _array(
    data: bytes, kind: str = "f8", count: int | None = None, padding: bytes | None = b"\2\xff\xff"
) -> bytes:
    """The wrapper's state, then the bytes that joblib reads out of the stream."""
    size = int(kind[1:])
    fields = [
        (text("shape"), tuple_of(integer(len(data) // size if count is None else count))),
        (text("order"), text("C")),
        (text("dtype"), call(name("numpy", "dtype"), text(kind), op("NEWFALSE"), op("NEWTRUE"))),
    ]
    if padding is not None:
        fields.append((text("numpy_array_alignment_bytes"), integer(16)))
    wrapper = name("joblib.numpy_pickle", "NumpyArrayWrapper") + op("EMPTY_TUPLE") + op("NEWOBJ")
    return wrapper + dict_of(*fields) + op("BUILD") + (padding or b"") + data


def _dumped(*items: bytes) -> bytes:
    return proto(2) + op("EMPTY_LIST") + op("MARK") + b"".join(items) + op("APPENDS") + STOP


@pytest.mark.parametrize("padding", [None, b"\0", b"\2\xff\xff"])
@pytest.mark.parametrize("arrays", [1, 2, 5])
def test_a_call_behind_the_arrays_is_traced(arrays: int, padding: bytes | None) -> None:
    parts = [_array(bytes(range(64)), padding=padding) for _ in range(arrays)]
    plain = read(_dumped(*parts))
    assert plain.format is Format.PICKLE
    assert not any(oddity.fatal for trace in plain.traces for oddity in trace.oddities)
    for data in (_dumped(*parts, SYSTEM), gzip.compress(_dumped(*parts, SYSTEM))):
        assert "os.system" in imports(read(data))


def test_a_pickle_behind_such_a_pickle_is_traced() -> None:
    assert "os.system" in imports(read(_dumped(_array(bytes(16))) + EVIL))


def test_an_array_of_objects_is_a_pickle_of_its_own() -> None:
    inner = pickled(SYSTEM)
    found = read(_dumped(_array(inner, kind="O8", count=1, padding=None), text("behind")))
    assert "os.system" in imports(found)
    assert not any(oddity.fatal for trace in found.traces for oddity in trace.oddities)


def test_opcodes_that_pose_as_an_array_are_traced_too() -> None:
    """Any other unpickler runs what joblib steps over."""
    posing = op("POP") + SYSTEM + STOP
    found = read(_dumped(_array(posing.ljust(64, b"."), kind="u1", padding=None)))
    other = [trace for whole in found.traces for trace in whole.alternates]
    assert "os.system" in {str(use.target) for trace in other for use in trace.imports}


@pytest.mark.parametrize("kind", ["f9999999999", "V"])
def test_an_array_of_unknown_size_is_never_clean(kind: str) -> None:
    data = _dumped(_array(bytes(64), kind="f8"), SYSTEM).replace(text("f8"), text(kind))
    assert any(oddity.fatal for trace in read(data).traces for oddity in trace.oddities)


def test_a_spliced_source_counts_past_what_is_left_out() -> None:
    spliced = Spliced(BytesSource(b"aaXXbbYYYcc"))
    spliced.leave_out(2, 2)
    spliced.leave_out(4, 3)
    assert spliced.read(0, spliced.size) == b"aabbcc"
    assert [spliced.original(at) for at in range(6)] == [0, 1, 4, 5, 9, 10]
