from __future__ import annotations

import pickle
import pickletools

from scanner.limits import DEFAULT, Limits
from scanner.opcodes.disassembly import disassemble, windows
from scanner.source import BytesSource
from tests.scanner.opcode_builder import call, name, op, pickled, proto, text


def test_opcodes_and_offsets_agree_with_pickletools() -> None:
    value = {"a": [1, 2.5, "é" * 200, b"x", 1 << 80], "b": (None, True)}
    for protocol in range(6):
        raw = pickle.dumps(value, protocol)
        ours = [(line.offset, line.name) for line in disassemble(BytesSource(raw), 0, DEFAULT)]
        assert ours == [(at, info.name) for info, _, at in pickletools.genops(raw)]


def test_a_window_shows_what_lies_around() -> None:
    raw = pickled(text("before"), op("POP"), call(name("os", "system"), text("touch x")))
    at = raw.rindex(b"R")
    window = windows(BytesSource(raw), 0, {at}, Limits(window_opcodes=4))[at]
    assert [line.split(": ")[1] for line in window] == [
        "BINUNICODE 'touch x'", "TUPLE", "REDUCE", "STOP",
    ]  # fmt: skip


def test_arguments_are_escaped_and_bounded() -> None:
    raw = pickled(text("\x1b[31m" + "x" * 10_000))
    shown = [line.argument for line in disassemble(BytesSource(raw), 0, DEFAULT)][1]
    assert shown.startswith("'\\x1b[31mxxx")
    assert shown.rstrip("…").isascii() and shown.isprintable() and len(shown) < 100


def test_unreadable_bytes_end_it_with_a_word() -> None:
    for raw in (proto(2) + b"\xff", proto(2) + op("BINUNICODE", b"\xff" * 4), b""):
        *_, last = disassemble(BytesSource(raw), 0, DEFAULT)
        assert last.name in ("byte 0xff", "(end)")
