from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    call,
    found,
    integer,
    name,
    op,
    pickled,
    proto,
    tensor,
    text,
)  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        pickled(op("INT", b"0x1\n")),
        pickled(op("LONG", b"0o17L\n")),
        pickled(op("STRING", b"'caf\xc3\xa9'\n")),
        pickled(op("NONE"), op("DUP"), op("POP")),
        pickled(proto(2), op("NONE")),
        pickled(op("NONE"), op("NONE")),
        pickled(op("SHORT_BINUNICODE", b"\2os")),
        # python/cpython#154848: the frame ends within the string.
        pickled(op("FRAME", b"\3" + bytes(7)), text("abcdefgh"), protocol=4),
        pickled(integer(1), text("system"), op("STACK_GLOBAL"), protocol=4),
        pickled(name("a", "B"), text("no tuple"), op("REDUCE")),
    ],
)
def test_a_form_that_no_pickler_writes_is_suspicious(raw: bytes) -> None:
    findings = found("odd_form", raw)
    assert findings and {finding.severity for finding in findings} == {Severity.SUSPICIOUS}


def test_what_torch_writes_is_no_finding() -> None:
    assert not found("odd_form", pickled(call(name("a", "B")), op("POP"), tensor()))
