from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import BUILD, call, dict_of, found, name, op, pickled, tuple_of

PARTIAL = name("functools", "partial")
LAYER = name("torch.nn.modules.normalization", "LayerNorm")


def _with_state(first: bytes, second: bytes) -> bytes:
    state = tuple_of(second, tuple_of(), dict_of(), op("NONE"))
    return call(PARTIAL, first) + state + BUILD


@pytest.mark.parametrize(
    "raw",
    [
        call(PARTIAL, name("os", "system")),
        _with_state(LAYER, name("os", "system")),
        call(PARTIAL, call(name("a", "b"))),
        call(PARTIAL, name("builtins", "getattr")),
        call(PARTIAL),
    ],
)
def test_preparing_a_dangerous_call_is_malicious(raw: bytes) -> None:
    (finding,) = found("deferred_call", pickled(raw))
    assert finding.severity is Severity.MALICIOUS


def test_a_layer_with_preset_arguments_is_left_to_a_person() -> None:
    raw = pickled(_with_state(LAYER, LAYER))
    assert not found("deferred_call", raw)
    assert "functools.partial" in [finding.global_ for finding in found("unknown_import", raw)]
