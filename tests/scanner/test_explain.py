from __future__ import annotations

import pytest

from scanner import reading
from scanner.explain import decompiled
from scanner.limits import DEFAULT
from scanner.reading import Reading
from scanner.source import BytesSource
from tests.scanner.opcode_builder import call, name, op, pickled, proto, text


def read(raw: bytes) -> Reading:
    return reading.read(BytesSource(raw, 0), DEFAULT)


def test_it_shows_what_a_load_would_run() -> None:
    shown = decompiled(read(pickled(call(name("os", "system"), text("touch marker")))), DEFAULT)
    assert shown is not None
    assert "system('touch marker')" in shown


def test_what_fickling_cannot_read_has_no_pseudo_python() -> None:
    # pickletools, which fickling reads with, refuses a hexadecimal INT.
    raw = proto(2) + op("INT", b"0x1\n") + call(name("os", "system"), text("x")) + b"."
    assert decompiled(read(raw), DEFAULT) is None


def test_a_pickle_beyond_the_bound_is_not_given_to_fickling() -> None:
    many = pickled(op("MARK") + op("NONE") * 20_001 + op("TUPLE"))
    assert decompiled(read(many), DEFAULT) is None
    few = pickled(op("MARK") + op("NONE") * 10 + op("TUPLE"))
    assert decompiled(read(few), DEFAULT) is not None


def test_fickling_says_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    raw = pickled(op("NONE"), text("os"), op("STACK_GLOBAL"), protocol=4)
    decompiled(read(raw), DEFAULT)
    assert capfd.readouterr() == ("", "")


def test_hostile_text_cannot_reach_the_terminal_as_control_codes() -> None:
    shown = decompiled(read(pickled(call(name("os", "system"), text("\x1b[2J\x07")))), DEFAULT)
    assert shown is not None
    assert "\x1b" not in shown and "\x07" not in shown
