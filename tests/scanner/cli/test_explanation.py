"""What ``explain`` tells of a file, before it is painted."""

from __future__ import annotations

import pytest

from scanner import reading, safety
from scanner.cli import illustration
from scanner.cli.explanation import OPCODES, PICKLES, Explanation, Line
from scanner.limits import DEFAULT
from scanner.source import BytesSource
from tests.scanner.opcode_builder import call, data, name, op, pickled, proto, text

SYSTEM = call(name("os", "system"), text("touch marker"))


@pytest.fixture(autouse=True)
def _decompiler() -> None:
    illustration.prepare()


def explained(raw: bytes, *, whole: bool = False) -> list[Line]:
    read = reading.read(BytesSource(raw, 0), DEFAULT)
    return list(Explanation(safety.judge(read, DEFAULT), DEFAULT, whole=whole).lines(read))


def shown(raw: bytes, *, whole: bool = False) -> str:
    return "\n".join(line.text for line in explained(raw, whole=whole))


def test_the_pseudo_python_comes_with_the_opcodes_and_the_flagged_one_is_marked() -> None:
    told = shown(pickled(SYSTEM))
    assert "system('touch marker')" in told
    assert "GLOBAL 'os' 'system'" in told
    (marked,) = [line for line in explained(pickled(SYSTEM)) if line.kind == "malicious"]
    assert "REDUCE" in marked.text
    assert marked.text.endswith("◀ dangerous-call")


def test_what_fickling_cannot_read_is_told_by_our_own_reading() -> None:
    raw = proto(2) + op("INT", b"0x1\n") + SYSTEM + b"."
    told = shown(raw)
    assert "fickling cannot decompile this pickle" in told
    assert "os.system('touch marker')" in told
    assert "GLOBAL 'os' 'system'" in told


def test_without_fickling_it_says_so_and_tells_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(illustration, "prepared", lambda: False)
    monkeypatch.setattr("scanner.explain.pseudo_python", lambda trace: None)
    told = shown(pickled(SYSTEM))
    assert "Without fickling" in told
    assert "os.system('touch marker')" in told


def test_a_file_inside_the_file_is_explained_as_well() -> None:
    inner = pickled(SYSTEM)
    told = shown(pickled(call(name("torch.storage", "_load_from_bytes"), data(inner))))
    assert f"{len(inner)} bytes that torch.storage._load_from_bytes loads" in told
    assert "REDUCE   ◀ dangerous-call" in told


def test_bytes_that_another_reader_would_follow_are_told() -> None:
    # The frame ends within the string, and C then drops what lies between (python/cpython#154848).
    payload = b"(N\x8c\x02os\x8c\x06system\x93(\x8c\x05touchtR."
    frame = b"\x8c\x10aaaaa" + b"b" * 11
    raw = b"\x80\x04\x95" + (7).to_bytes(8, "little") + frame
    raw += b"B" + len(payload).to_bytes(4, "little") + payload + b"0N."
    told = shown(raw)
    assert "Another reader would follow the same bytes so:" in told
    assert "os.system('touch')" in told


def test_a_million_opcodes_are_few_lines_and_the_flagged_one_is_among_them() -> None:
    many = b"]" + op("MARK") + op("NONE") * 30_000
    raw = proto(2) + many + SYSTEM + op("NONE") * 5_000 + op("APPENDS") + b"."
    lines = explained(raw)
    assert len(lines) < OPCODES + 60
    assert any("◀ dangerous-call" in line.text for line in lines)
    left_out = [line.text for line in lines if "left out; --all shows them" in line.text]
    assert len(left_out) == 2
    figures = [int(text.split()[1].replace(",", "")) for text in left_out]
    opcodes = [line for line in lines if line.kind in ("opcode", "malicious")]
    assert sum(figures) + len(opcodes) == 35_000 + 10


def test_all_of_it_is_shown_where_that_is_asked_for() -> None:
    raw = proto(2) + b"]" + op("MARK") + op("NONE") * 2_000 + op("APPENDS") + b"."
    lines = explained(raw, whole=True)
    assert sum(line.kind == "opcode" for line in lines) == 2_005
    assert not any("--all" in line.text for line in lines)


def test_many_pickles_are_counted_and_a_flagged_one_is_shown_wherever_it_is() -> None:
    told = shown(pickled(op("NONE")) * 50 + pickled(SYSTEM))
    assert f"… {50 - PICKLES} pickles more; --all shows them" in told
    assert "◀ dangerous-call" in told


def test_a_broken_pickle_is_explained_up_to_where_it_breaks() -> None:
    told = shown(proto(2) + SYSTEM + op("BININT", b"\1"))
    assert "◀ dangerous-call" in told
    assert "(end)" in told


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\0" * 64, "no pickle"),
        ((2).to_bytes(8, "little") + b"{}", "a load runs nothing"),
    ],
)
def test_a_file_without_a_pickle_says_so(raw: bytes, sentence: str) -> None:
    assert sentence in shown(raw)
