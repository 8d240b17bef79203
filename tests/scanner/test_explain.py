from __future__ import annotations

import pytest

from scanner import reading
from scanner.explain import decompiled, explain
from scanner.limits import DEFAULT
from scanner.reading import Reading
from scanner.source import BytesSource
from tests.scanner.opcode_builder import call, name, op, pickled, proto, text


def read(raw: bytes) -> Reading:
    return reading.read(BytesSource(raw, 0), DEFAULT)


def test_it_shows_what_a_load_would_run_and_the_opcodes() -> None:
    shown = explain(read(pickled(call(name("os", "system"), text("touch marker")))), DEFAULT)
    assert "system('touch marker')" in shown
    assert "GLOBAL 'os' 'system'" in shown
    assert "REDUCE" in shown


def test_what_fickling_cannot_read_is_still_disassembled() -> None:
    # pickletools, which fickling reads with, refuses a hexadecimal INT.
    raw = proto(2) + op("INT", b"0x1\n") + call(name("os", "system"), text("x")) + b"."
    assert decompiled(read(raw), DEFAULT) is None
    shown = explain(read(raw), DEFAULT)
    assert "cannot decompile" in shown
    assert "GLOBAL 'os' 'system'" in shown


def test_fickling_says_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    raw = pickled(op("NONE"), text("os"), op("STACK_GLOBAL"), protocol=4)
    decompiled(read(raw), DEFAULT)
    assert capfd.readouterr() == ("", "")


def test_hostile_text_cannot_reach_the_terminal_as_control_codes() -> None:
    shown = explain(read(pickled(call(name("os", "system"), text("\x1b[2J\x07")))), DEFAULT)
    assert "\x1b" not in shown and "\x07" not in shown


def test_a_file_without_a_pickle_says_so() -> None:
    assert "no pickle" in explain(read(b"\0" * 64), DEFAULT)
