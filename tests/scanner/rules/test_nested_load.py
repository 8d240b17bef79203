from __future__ import annotations

from scanner.report import Severity
from scanner.rules.nested_load import payloads
from tests.scanner.opcode_builder import call, data, found, name, pickled, text, traced

LOAD = name("torch.storage", "_load_from_bytes")


def test_bytes_that_are_loaded_in_turn_are_found() -> None:
    raw = pickled(call(LOAD, data(b"inner")), protocol=3)
    (finding,) = found("nested_load", raw)
    assert finding.severity is Severity.SUSPICIOUS
    assert [inner for _, inner in payloads(traced(raw))] == [b"inner"]


def test_bytes_written_as_text_are_found_too() -> None:
    inner = call(name("_codecs", "encode"), text("\x80\x02."), text("latin1"))
    assert [raw for _, raw in payloads(traced(pickled(call(LOAD, inner))))] == [b"\x80\x02."]


def test_bytes_that_nobody_can_see_are_malicious() -> None:
    (finding,) = found("nested_load", pickled(call(LOAD, call(name("a", "fetch")))))
    assert finding.severity is Severity.MALICIOUS
