from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    BUILD,
    dict_of,
    found,
    integer,
    name,
    op,
    pickled,
    storage,
    text,
    tuple_of,
)


@pytest.mark.parametrize(
    "raw",
    [
        # A module's functions are replaced.
        name("torch", "serialization") + dict_of((text("load"), name("os", "system"))) + BUILD,
        # (None, slots): setattr on a class that is itself known good.
        name("collections", "OrderedDict")
        + tuple_of(op("NONE"), dict_of((text("__init__"), name("os", "system")))) + BUILD,
        name("torch.serialization", "_package_registry") + text("a") + text("b") + op("SETITEM"),
        name("a", "registry") + text("b") + op("APPEND"),
        # CVE-2026-24747: bytes are written past the tensors.
        storage() + integer(1 << 20) + integer(0) + op("SETITEM"),
        storage() + dict_of((text("a"), text("b"))) + BUILD,
    ],
)  # fmt: skip
def test_changing_what_was_imported_is_malicious(raw: bytes) -> None:
    (finding,) = found("mutated_import", pickled(raw))
    assert finding.severity is Severity.MALICIOUS


def test_changing_a_constant_is_odd() -> None:
    raw = pickled(text("a"), dict_of((text("b"), text("c"))), BUILD)
    assert [finding.severity for finding in found("mutated_import", raw)] == [Severity.SUSPICIOUS]


def test_filling_containers_is_no_finding() -> None:
    raw = pickled(dict_of((text("a"), text("b"))))
    assert not found("mutated_import", raw)
