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
    pickled,
    text,
    tuple_of,
)  # fmt: skip

PARTS = (
    text("Tensor"),
    tuple_of(name("builtins", "object")),
    dict_of((text("__del__"), name("collections", "Counter"))),
)


@pytest.mark.parametrize(
    "made",
    [
        call(name("builtins", "type"), *PARTS),
        call(name("__builtin__", "type"), *PARTS),
        name("builtins", "type") + tuple_of(*PARTS) + op("NEWOBJ"),
        call(name("copyreg", "__newobj__"), name("builtins", "type"), *PARTS),
        call(name("copy_reg", "_reconstructor"), *(name("builtins", "type"),) * 2, op("NONE")),
        # The arguments are made while loading: there may be three.
        name("builtins", "type") + call(name("builtins", "tuple")) + op("REDUCE"),
    ],
)
def test_a_class_of_the_files_own_is_malicious(made: bytes) -> None:
    # CVE-2025-1716: names that a list takes for harmless make what it cannot know.
    (finding,) = found("class_creation", pickled(made))
    assert finding.severity is Severity.MALICIOUS


def test_asking_for_a_type_is_no_finding() -> None:
    # NoneType and Ellipsis's type are pickled so.
    assert not found("class_creation", pickled(call(name("builtins", "type"), op("NONE"))))
    assert not found("class_creation", pickled(call(name("builtins", "int"), integer(1))))
