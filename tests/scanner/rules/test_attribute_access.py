from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import call, found, name, op, pickled, text

GETATTR = name("builtins", "getattr")
MODEL = name("ultralytics.nn.tasks", "DetectionModel")


@pytest.mark.parametrize(
    "raw",
    [
        call(GETATTR, MODEL, text("__globals__")),
        call(GETATTR, MODEL, call(name("builtins", "str"), text("forward"))),
        call(GETATTR, name("torch", "serialization"), text("os")),
        call(GETATTR, call(GETATTR, MODEL, text("a")), text("b")),
        call(GETATTR, call(name("a", "b")), text("system")),
        call(name("__builtin__", "getattr"), name("collections", "OrderedDict"), text("__base__")),
        call(GETATTR, op("NONE")),
        call(name("numpy.core", "_ufunc_reconstruct"), text("os"), text("system")),
        call(name("numpy._core", "_ufunc_reconstruct"), text("o"), call(name("a", "b"))),
    ],
)
def test_a_way_out_of_ordinary_objects_is_malicious(raw: bytes) -> None:
    # GHSA-955r-x9j8-7rhh and others chain getattr to reach os.system.
    findings = found("attribute_access", pickled(raw))
    assert findings and {finding.severity for finding in findings} == {Severity.MALICIOUS}


def test_a_ufunc_is_left_to_a_person() -> None:
    # sklearn's FunctionTransformer(numpy.log1p).
    parts = (text("numpy.core._multiarray_umath"), text("log1p"))
    raw = pickled(call(name("numpy.core", "_ufunc_reconstruct"), *parts))
    assert not found("attribute_access", raw)


@pytest.mark.parametrize("target", [MODEL, call(MODEL)])
def test_a_plain_attribute_is_left_to_a_person(target: bytes) -> None:
    raw = pickled(call(GETATTR, target, text("forward")))
    assert not found("attribute_access", raw)
    assert "builtins.getattr" in [finding.global_ for finding in found("unknown_import", raw)]
