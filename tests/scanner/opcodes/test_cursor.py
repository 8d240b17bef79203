"""The bytes come in blocks; no argument suffers from where one ends."""

from __future__ import annotations

import pytest

from scanner.opcodes.cursor import BLOCK
from scanner.opcodes.values import Const, ListValue
from tests.scanner.opcode_builder import op, traced

_ARGUMENTS = {
    b"K\x07": 7,
    b"M\x02\x01": 258,
    b"J\x04\x03\x02\x01": 0x01020304,
    b"X\x05\x00\x00\x00hello": "hello",
    b"\x8c\x03abc": "abc",
    b"\x8a\x02\x01\x01": 257,
    b"G\x40\x00\x00\x00\x00\x00\x00\x00": 2.0,
    b"I12345\n": 12345,
}


@pytest.mark.parametrize("written", _ARGUMENTS)
def test_an_argument_is_read_across_the_end_of_a_block(written: bytes) -> None:
    for before in range(1, len(written) + 1):
        # Padding that ends so many bytes before the block does.
        long = BLOCK - before - len(b"](" + op("BINUNICODE") + bytes(4))
        padding = op("BINUNICODE") + long.to_bytes(4, "little") + b"x" * long
        result = traced(b"](" + padding + written * 3 + b"e.").result
        assert isinstance(result, ListValue)
        assert [item.value for item in result.items[1:] if isinstance(item, Const)] == [
            _ARGUMENTS[written]
        ] * 3
