from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import MARK, found, op, pickled, proto, tensor


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        proto(2) + op("NONE"),
        proto(2) + b"\xff",
        proto(2) + op("BINUNICODE", b"\xff\xff\xff\x7f"),
        pickled(op("POP")),
        pickled(op("TUPLE")),
        pickled(op("BINGET", b"\7")),
        pickled(op("NONE"), op("LONG_BINPUT", b"\xff\xff\xff\x7f")),
        pickled(op("LONG", b"9" * 10_000 + b"L\n")),
        pickled(op("LONG4", b"\0\0\1\0" + bytes(65536))),
        pickled(MARK * 100_001, op("NONE")),
    ],
)
def test_a_pickle_that_cannot_be_read_is_unreadable(raw: bytes) -> None:
    findings = found("broken_pickle", raw)
    assert findings and {finding.severity for finding in findings} == {Severity.UNREADABLE}


def test_a_whole_pickle_is_no_finding() -> None:
    assert not found("broken_pickle", pickled(tensor()))
