from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import found, name, op, pickled


@pytest.mark.parametrize("raw", [op("EXT1", b"\1"), op("EXT2", b"\1\1"), op("EXT4", b"\1\0\0\0")])
def test_a_name_by_code_is_suspicious(raw: bytes) -> None:
    (finding,) = found("extension_code", pickled(raw))
    assert finding.severity is Severity.SUSPICIOUS


def test_a_name_by_name_is_no_finding() -> None:
    assert not found("extension_code", pickled(name("collections", "OrderedDict")))
