from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    BUILD,
    call,
    data,
    dict_of,
    found,
    name,
    op,
    ordered_dict,
    pickled,
    tensor,
    text,
    tuple_of,
)  # fmt: skip


@pytest.mark.parametrize("attribute", ["__setstate__", "__class__", "extend"])
def test_an_attribute_that_python_calls_is_malicious(attribute: str) -> None:
    # The next BUILD (or APPENDS) looks it up on the instance and calls it.
    state = dict_of((text(attribute), name("somebody.helpers", "initialise")))
    for raw in (state, tuple_of(op("NONE"), state)):
        (finding,) = found("hooked_state", pickled(ordered_dict(), raw, BUILD))
        assert finding.severity is Severity.MALICIOUS


def made(callee: bytes, key: bytes) -> bytes:
    pair = tuple_of(key, name("collections", "Counter"))
    return call(callee, op("EMPTY_LIST") + pair + op("APPEND"))


@pytest.mark.parametrize(
    "state",
    [
        # A name that is made while loading cannot be read from the file.
        dict_of((call(name("builtins", "str"), text("__setstate__")), ordered_dict())),
        tuple_of(op("NONE"), dict_of((call(name("__builtin__", "str"), text("a")), text("b")))),
        dict_of((data(b"__setstate__"), name("collections", "Counter"))),
        # A state that another call builds.
        made(name("builtins", "dict"), text("__setstate__")),
        tuple_of(op("NONE"), made(name("collections", "OrderedDict"), text("__class__"))),
        ordered_dict() + text("__class__") + name("torch", "Tensor") + op("SETITEM"),
    ],
)
def test_a_state_in_disguise_is_malicious(state: bytes) -> None:
    # CVE-2026-24747: BUILD on what is itself known good.
    findings = found("hooked_state", pickled(ordered_dict(), state, BUILD))
    assert [finding.severity for finding in findings] == [Severity.MALICIOUS]


def test_an_item_that_is_looked_up_as_an_attribute_is_malicious() -> None:
    made = name("pytorch_lightning.utilities.parsing", "AttributeDict") + tuple_of() + op("NEWOBJ")
    items = text("__setstate__") + name("collections", "Counter") + op("SETITEM")
    assert len(found("hooked_state", pickled(made, items))) == 1
    assert not found("hooked_state", pickled(ordered_dict(), items))


def test_plain_attributes_are_no_finding() -> None:
    state = dict_of((text("_metadata"), ordered_dict()), (text("add"), op("NEWTRUE")))
    assert not found("hooked_state", pickled(ordered_dict(), state, BUILD))


@pytest.mark.parametrize(
    "trampoline",
    [
        call(
            name("torch._tensor", "_rebuild_from_type_v2"),
            name("torch._utils", "_rebuild_tensor_v2"),
            name("torch", "Tensor"),
            tuple_of(),
            dict_of((text("__class__"), name("somebody.helpers", "Evil"))),
        ),
        call(
            name("torch._utils", "_rebuild_parameter_with_state"),
            tensor(),
            op("NEWFALSE"),
            ordered_dict(),
            dict_of((text("__class__"), name("somebody.helpers", "Evil"))),
        ),
    ],
)
def test_torch_sets_attributes_without_build(trampoline: bytes) -> None:
    (finding,) = found("hooked_state", pickled(trampoline))
    assert finding.severity is Severity.MALICIOUS
