from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    BUILD,
    call,
    dict_of,
    found,
    integer,
    name,
    op,
    pickled,
    text,
    tuple_of,
)  # fmt: skip

NONE = op("NONE")
ITEM_REFCOUNT_AND_MORE = 63


def dtype(
    code: str, flags: int, fields: bytes = NONE, *, size: int = -1, inner: bytes = NONE
) -> bytes:
    """As numpy pickles one: made empty, then filled by BUILD."""
    state = tuple_of(
        integer(3), text("|"), inner, NONE, fields, integer(size), integer(-1), integer(flags)
    )
    return call(name("numpy", "dtype"), text(code), op("NEWFALSE"), op("NEWTRUE")) + state + BUILD


def field(kind: bytes, place: int) -> bytes:
    return dict_of((text("a"), tuple_of(kind, integer(place))))


OBJECTS = dtype("O8", ITEM_REFCOUNT_AND_MORE)


@pytest.mark.parametrize(
    "forged",
    [
        dtype("O8", 0),
        dtype("|O", 16),
        dtype("f4,2O", 16),
        dtype("V8", 0, field(OBJECTS, 0), size=8),
        dtype("V8", 0, field(dtype("V8", 27, field(OBJECTS, 0), size=8), 0), size=8),
        dtype("V16", 0, inner=tuple_of(OBJECTS, integer(2)), size=16),
    ],
)
def test_objects_that_deny_being_objects_are_malicious(forged: bytes) -> None:
    # Eight bytes of the file would be taken for the address of an object (CVE-2019-6446 is the
    # honest way to the same end).
    assert [f.severity for f in found("forged_dtype", pickled(forged))] == [Severity.MALICIOUS]


def test_a_field_outside_its_item_is_malicious() -> None:
    for place in (-4, 1, 4, 1 << 20):
        forged = dtype("V4", 0, field(dtype("f4", 0), place), size=4)
        assert [f.severity for f in found("forged_dtype", pickled(forged))] == [Severity.MALICIOUS]


def test_a_part_that_is_larger_than_its_item_is_malicious() -> None:
    record = dtype("V16", 0, size=16)
    for forged in (
        dtype("V8", 0, inner=tuple_of(dtype("f8", 0), tuple_of(integer(1000))), size=8),
        dtype("V8", 0, field(record, 0), size=8),
    ):
        assert [f.severity for f in found("forged_dtype", pickled(forged))] == [Severity.MALICIOUS]


def test_the_states_that_numpy_writes_are_no_finding() -> None:
    for honest in (
        dtype("f4", 0),
        OBJECTS,
        dtype("V8", 27, field(OBJECTS, 0), size=8),
        dtype("V8", 0, field(dtype("f4", 0), 4), size=8),
        dtype("V16", 0, inner=tuple_of(dtype("f8", 0), tuple_of(integer(2))), size=16),
    ):
        assert not found("forged_dtype", pickled(honest))
