"""Keys that cost a loader more than the file that holds them."""

from __future__ import annotations

import pytest

from scanner.limits import DEFAULT
from scanner.opcodes.hashing import cost
from scanner.opcodes.values import Const, TupleValue, Value
from tests.scanner.opcode_builder import call, name, op, pickled, text, traced

DEPTH = 40


def tower(depth: int) -> bytes:
    """A tuple of the last one twice, again and again."""
    raw = op("EMPTY_TUPLE")
    for index in range(depth):
        raw += op("BINPUT", bytes([index])) + op("BINGET", bytes([index])) + op("TUPLE2")
    return raw


@pytest.mark.parametrize(
    "raw",
    [
        op("EMPTY_DICT") + tower(DEPTH) + op("NONE") + op("SETITEM"),
        op("MARK") + tower(DEPTH) + op("NONE") + op("DICT"),
        op("EMPTY_SET") + op("MARK") + tower(DEPTH) + op("ADDITEMS"),
        op("MARK") + tower(DEPTH) + op("FROZENSET"),
        call(name("collections", "OrderedDict")) + tower(DEPTH) + op("NONE") + op("SETITEM"),
        call(name("builtins", "set"), op("EMPTY_LIST") + tower(DEPTH) + op("APPEND")),
    ],
)
def test_a_tower_of_shared_tuples_as_a_key_is_odd(raw: bytes) -> None:
    assert "hash-bomb" in [odd.code for odd in traced(pickled(raw, protocol=4)).oddities]


def test_a_tower_that_nobody_hashes_is_no_oddity() -> None:
    assert not traced(pickled(tower(DEPTH), protocol=4)).oddities


def test_ordinary_keys_are_no_oddity() -> None:
    raw = op("EMPTY_DICT") + tower(4) + text("a") + op("SETITEM")
    assert not traced(pickled(raw, protocol=4)).oddities


def test_deep_and_wide_keys_are_counted_without_recursion() -> None:
    deep: Value = Const(1)
    for _ in range(100_000):
        deep = TupleValue((deep,))
    assert cost([deep], DEFAULT.hashed_parts) == 100_001
    assert cost([deep], 1_000) > 1_000


def test_flat_keys_cost_nothing() -> None:
    # A vocabulary has a hundred thousand pairs for keys.
    assert cost([TupleValue((Const(1), Const(2)))] * 3, 10) == 0


def test_wide_keys_cost_their_width() -> None:
    assert cost([TupleValue((Const(1),) * 5_000)] * 3, 10**6) == 15_000


def test_shared_parts_count_as_often_as_they_are_hashed() -> None:
    one = TupleValue((Const(1),))
    two = TupleValue((one, one))
    # In either order: the last one twice, or the last two.
    assert cost([TupleValue((one, two))], 100) == cost([TupleValue((two, one))], 100) == 8
