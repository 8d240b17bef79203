"""safetensors files that lie about themselves."""

from __future__ import annotations

import pytest

from scanner.report import Format
from tests.scanner.formats.files import EVIL, entry, imports, read, rules, safetensors


def test_a_sound_file_is_read_in_file_order() -> None:
    header = {"b": entry(8, 12), "a": entry(0, 8), "__metadata__": {"format": "pt"}}
    found = read(safetensors(header, bytes(12)))
    assert found.format is Format.SAFETENSORS
    assert not found.findings
    assert found.table is not None
    assert [tensor.name for tensor in found.table] == ["a", "b"]
    assert found.table.metadata == {"format": "pt"}
    assert found.data_offset == len(safetensors(header))


def test_a_tensor_without_elements_overlaps_nothing() -> None:
    header = {"a": entry(0, 8), "z": entry(4, 4, shape=[0])}
    assert not read(safetensors(header, bytes(8))).findings


@pytest.mark.parametrize(
    ("rule", "header", "data"),
    [
        ("safetensors-overlap", {"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
        ("safetensors-hole", {"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),
        ("safetensors-trailing", {"a": entry(0, 4)}, bytes(8)),
        ("safetensors-tensor", {"a": entry(0, 8)}, bytes(4)),
        ("safetensors-tensor", {"a": entry(0, 4, shape=[2])}, bytes(4)),
        ("safetensors-tensor", {"a": entry(0, 4, shape=[1 << 33, 1 << 33])}, bytes(4)),
        ("safetensors-tensor", {"a": entry(0, 4, dtype="F3")}, bytes(4)),
        ("safetensors-tensor", {"a": entry(0, 4, shape=[True])}, bytes(4)),
        ("safetensors-tensor", {"a": {"dtype": "F32"}}, b""),
        ("safetensors-metadata", {"__metadata__": {"a": 1}}, b""),
        ("safetensors-metadata", {"__metadata__": ["a"]}, b""),
        ("safetensors-duplicate-key", b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
         b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', b""),
        ("safetensors-header", b"{" + b'"a":[' * 100_000, b""),
        ("safetensors-header", b'{"a":NaN}', b""),
        ("safetensors-header", b'{"a":' + b"9" * 5_000 + b"}", b""),
    ],
)  # fmt: skip
def test_a_lie_is_found(rule: str, header: object, data: bytes) -> None:
    assert rule in rules(read(safetensors(header, data)))


def test_a_header_longer_than_the_file_is_unreadable() -> None:
    assert "safetensors-header" in rules(read((1 << 40).to_bytes(8, "little") + b"{}"))


def test_a_pickle_in_front_is_traced() -> None:
    # The pickle's own bytes are the header's length.
    found = read(b"cos\nfork\n" + EVIL)
    assert "os.fork" in imports(found)


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    header = {"__metadata__": {"a": "[" * 10_000 + '\\"' + "{" * 10_000}}
    assert not read(safetensors(header)).findings


@pytest.mark.parametrize("gap", ["hole", "trailing"])
def test_a_pickle_that_no_tensor_claims_is_traced(gap: str) -> None:
    start = len(EVIL) if gap == "hole" else 0
    body = EVIL + bytes(8) if gap == "hole" else bytes(8) + EVIL
    found = read(safetensors({"a": entry(start, start + 8)}, body))
    assert f"safetensors-{gap}" in rules(found)
    assert "os.system" in imports(found)
