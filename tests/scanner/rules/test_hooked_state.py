from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    BUILD,
    dict_of,
    found,
    name,
    op,
    ordered_dict,
    pickled,
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


def test_plain_attributes_are_no_finding() -> None:
    state = dict_of((text("_metadata"), ordered_dict()), (text("add"), op("NEWTRUE")))
    assert not found("hooked_state", pickled(ordered_dict(), state, BUILD))
