from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    BUILD,
    EMPTY,
    dict_of,
    found,
    integer,
    name,
    op,
    ordered_dict,
    pickled,
    tensor,
    text,
)  # fmt: skip


@pytest.mark.parametrize("change", [integer(0) + integer(7) + op("SETITEM"), dict_of() + BUILD])
def test_writing_into_a_tensor_is_malicious(change: bytes) -> None:
    # CVE-2026-24747: a write through a tensor that is larger than its storage.
    (finding,) = found("tensor_mutation", pickled(tensor(), change))
    assert finding.severity is Severity.MALICIOUS


def test_parameters_of_old_torch_are_not_called_malicious() -> None:
    raw = pickled(name("torch.nn.parameter", "Parameter"), EMPTY, op("NEWOBJ"), dict_of(), BUILD)
    assert [finding.severity for finding in found("tensor_mutation", raw)] == [Severity.SUSPICIOUS]


def test_the_metadata_of_a_state_dict_is_no_finding() -> None:
    state = dict_of((text("_metadata"), ordered_dict()))
    raw = pickled(ordered_dict(), text("a"), tensor(), op("SETITEM"), state, BUILD)
    assert not found("tensor_mutation", raw)
