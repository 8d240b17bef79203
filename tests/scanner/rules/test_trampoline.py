from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    call,
    dict_of,
    found,
    integer,
    name,
    op,
    ordered_dict,
    pickled,
    storage,
    tuple_of,
)  # fmt: skip

FROM_TYPE = name("torch._tensor", "_rebuild_from_type_v2")


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"),
        ("somebody.helpers", "initialise"),
        ("torch._tensor", "_rebuild_from_type_v2"),
    ],
)
def test_a_callee_that_builds_no_tensor_is_malicious(module: str, attribute: str) -> None:
    raw = call(FROM_TYPE, name(module, attribute), name("torch", "Tensor"), tuple_of(), dict_of())
    (finding,) = found("trampoline", pickled(raw))
    assert finding.severity is Severity.MALICIOUS
    assert finding.global_ == "torch._tensor._rebuild_from_type_v2"


def test_a_class_where_a_dtype_belongs_is_malicious() -> None:
    raw = call(
        name("torch._utils", "_rebuild_tensor_v3"),
        storage("ByteStorage"), integer(0), tuple_of(), tuple_of(), op("NEWFALSE"),
        ordered_dict(), name("somebody.helpers", "Exploit"),
    )  # fmt: skip
    assert [finding.severity for finding in found("trampoline", pickled(raw))] == ["malicious"]


def test_a_dtype_of_a_newer_torch_is_left_to_a_person() -> None:
    raw = call(
        name("torch._utils", "_rebuild_tensor_v3"),
        storage("ByteStorage"), integer(0), tuple_of(), tuple_of(), op("NEWFALSE"),
        ordered_dict(), name("torch", "float9_e5m3"),
    )  # fmt: skip
    assert not found("trampoline", pickled(raw))
    assert found("unexpected_arguments", pickled(raw))


@pytest.mark.parametrize(
    "maker", ["__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"]
)
def test_a_class_that_numpy_would_call_is_malicious(maker: str) -> None:
    raw = call(name("numpy.random._pickle", maker), name("somebody.helpers", "Exploit"))
    assert [finding.severity for finding in found("trampoline", pickled(raw))] == ["malicious"]
    genuine = call(name("numpy.random._pickle", maker), name("numpy.random._pcg64", "PCG64DXSM"))
    assert not found("trampoline", pickled(genuine))


def test_a_genuine_subclass_is_no_finding() -> None:
    args = tuple_of(storage(), integer(0), tuple_of(), tuple_of(), op("NEWFALSE"), ordered_dict())
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    raw = call(FROM_TYPE, rebuild, name("torch", "Tensor"), args, dict_of())
    assert not found("trampoline", pickled(raw))
