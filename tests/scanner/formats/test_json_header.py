from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.formats.json_header import depth

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def nesting(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(nesting, value), default=0)
    return 0


@given(_VALUES)
def test_depth_is_that_of_the_parsed_value(value: object) -> None:
    for ascii_only in (True, False):
        assert depth(json.dumps(value, ensure_ascii=ascii_only).encode()) == nesting(value)


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        (b"", 0),
        (b'"[[["', 0),
        (b'"[[[', 0),
        (rb'["\"[["]', 1),
        (rb'["\\", [1]]', 2),
        (b"]]]" + b"[" * 3, 0),
        (b"[" * 100_000, 100_000),
        (b'"\\', 0),
    ],
)
def test_depth_of_what_no_parser_would_take(text: bytes, deep: int) -> None:
    assert depth(text) == deep
