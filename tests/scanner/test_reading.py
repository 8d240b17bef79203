"""A reading keeps its promises for any bytes at all."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner import reading
from scanner.limits import Limits
from scanner.source import BytesSource
from tests.scanner.formats.files import EVIL, HARMLESS, read, rules, zipped


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b"PK\x05\x06" + bytes(18))
@example(b"GGUF\x03\x00\x00\x00")
@example(b"\x93NUMPY\x01\x00")
@example(bytes(9) + b"{")
def test_any_bytes_give_a_reading(data: bytes) -> None:
    found = read(data)
    assert "engine-error" not in rules(found)
    assert found.traces or found.findings or found.table is not None


def test_findings_are_bounded() -> None:
    data = zipped(*((f"../{number}", b"x") for number in range(40)))
    found = reading.read(BytesSource(data), Limits(findings=5))
    assert len(found.findings) == 5


def test_the_same_bytes_are_read_the_same_way_twice() -> None:
    data = zipped(("a/data.pkl", EVIL), ("b/data.pkl", HARMLESS))
    first, second = read(data), read(data)
    assert first.findings == second.findings
    assert first.extents == second.extents


def test_trifles_do_not_push_out_what_is_grave() -> None:
    trifles = ((f"../{number}", b"x") for number in range(40))
    data = zipped(*trifles, ("config.yaml", b"_target_: os.system\n"))
    assert "config-target" in rules(read(data, Limits(findings=5)))
