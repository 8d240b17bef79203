from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import found, integer, name, op, pickled, storage, text, tuple_of


@pytest.mark.parametrize(
    "raw",
    [
        op("PERSID", b"anything\n"),
        text("anything") + op("BINPERSID"),
        storage(key="../../etc/passwd"),
        storage(kind="Tensor"),
        # Old torch restores a whole class from such an id.
        tuple_of(text("module"), name("a", "B"), text("a.py"), text("source")) + op("BINPERSID"),
        tuple_of(text("storage"), name("os", "system"), text("0"), text("cpu"), integer(1))
        + op("BINPERSID"),
    ],
)
def test_an_id_that_torch_does_not_write_is_suspicious(raw: bytes) -> None:
    (finding,) = found("persistent_id", pickled(raw))
    assert finding.severity is Severity.SUSPICIOUS


def test_a_known_class_in_the_legacy_form_is_no_finding() -> None:
    # torch before 1.6 wrote ParameterDict so, which A1111's embeddings hold.
    known = name("torch.nn.modules.container", "ParameterDict")
    raw = tuple_of(text("module"), known, text("container.py"), text("class ParameterDict"))
    assert not found("persistent_id", pickled(raw + op("BINPERSID")))


def test_a_storage_is_no_finding() -> None:
    assert not found("persistent_id", pickled(storage()))
