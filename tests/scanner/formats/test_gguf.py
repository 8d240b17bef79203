"""GGUF: every field and tensor is proven, and what a loader would render is judged."""

from __future__ import annotations

import struct

import pytest

from scanner.report import Format
from tests.scanner.formats.files import EVIL, imports, read, rules

Tensor = tuple[str, list[int], int, int]
W: Tensor = ("w", [4], 0, 0)
ESCAPE = "{{ x.__class__ }}"


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _field(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _strings(*values: str) -> bytes:
    return struct.pack("<IQ", 8, len(values)) + b"".join(map(_text, values))


def _gguf(
    fields: list[bytes],
    tensors: list[Tensor],
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    counts = counts or (len(tensors), len(fields))
    raw = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(fields)
    for name, sizes, kind, offset in tensors:
        raw += _text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
    return raw + bytes(-len(raw) % alignment if tensors else 0) + data


@pytest.mark.parametrize(
    "data",
    [
        _gguf([], []),
        _gguf([_field("general.name", 8, _text("os.system(1)"))], [W], bytes(16)),
        _gguf([], [W, ("v", [32, 2], 8, 32)], bytes(32 + 68)),
        _gguf([], [W], bytes(32), version=2),
        _gguf(
            [_field("general.alignment", 4, struct.pack("<I", 64))], [W], bytes(64), alignment=64
        ),
        _gguf([_field("tokenizer.ggml.tokens", 9, _strings("a", "__b__"))], [W], bytes(16)),
        _gguf(
            [_field("tokenizer.chat_template", 8, _text("{% for m in x %}{{ m.a }}{% endfor %}"))],
            [W],
            bytes(16),
        ),
    ],
)
def test_a_sound_file_has_nothing_wrong(data: bytes) -> None:
    found = read(data)
    assert found.format is Format.GGUF
    assert not rules(found)


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("gguf-header", _gguf([], [], version=1)),
        ("gguf-header", _gguf([], [], version=4)),
        ("gguf-header", b"GGUF" + struct.pack(">IQQ", 3, 0, 0)),
        ("limit-reached", _gguf([], [W], bytes(16), counts=(1 << 60, 0))),
        ("limit-reached", _gguf([], [W], bytes(16), counts=(1, 1 << 60))),
        ("limit-reached", _gguf([_field("a", 9, struct.pack("<IQ", 8, 1 << 60))], [])),
        ("limit-reached", _gguf([_field("a", 8, struct.pack("<Q", 1 << 60))], [])),
        ("gguf-header", _gguf([_field("a", 9, struct.pack("<IQ", 9, 1))], [])),
        ("gguf-header", _gguf([_field("a", 77, b"")], [])),
        ("gguf-header", _gguf([], [("w", [1] * 5, 0, 0)], bytes(16))),
        ("gguf-header", _gguf([_field("general.alignment", 4, bytes(4))], [W], bytes(32))),
        ("gguf-header", _gguf([_field("general.alignment", 8, _text("64"))], [W], bytes(64))),
        ("gguf-duplicate-key", _gguf([_field("a", 8, _text("b"))] * 2, [W], bytes(16))),
        ("gguf-tensor", _gguf([], [W, ("w", [4], 0, 32)], bytes(64))),
        ("gguf-tensor", _gguf([], [("w", [4], 99, 0)], bytes(32))),
        ("gguf-tensor", _gguf([], [("w", [33], 8, 0)], bytes(64))),
        ("gguf-tensor", _gguf([], [("w", [1 << 62, 1 << 62], 0, 0)], bytes(32))),
        ("gguf-tensor", _gguf([], [("w", [4], 0, 8)], bytes(32))),
        ("truncated", _gguf([], [("w", [400], 0, 0)], bytes(32))),
        ("truncated", _gguf([], [("w", [4], 0, (1 << 64) - 32)], bytes(32))),
        ("safetensors-overlap", _gguf([], [("w", [16], 0, 0), ("v", [4], 0, 32)], bytes(64))),
        ("bytes-left-over", _gguf([], [W, ("v", [4], 0, 96)], bytes(128))),
        ("bytes-left-over", _gguf([], [W], bytes(16) + b"\1" * 16)),
        ("bytes-left-over", _gguf([], [W], bytes(99))),
    ],
)
def test_what_is_not_sane_is_reported(rule: str, data: bytes) -> None:
    assert rule in rules(read(data))


@pytest.mark.parametrize(
    "fields",
    [
        [_field("tokenizer.chat_template", 8, _text(ESCAPE))],
        [_field("tokenizer.chat_template.tool", 8, _text(ESCAPE))],
        [_field("tokenizer.chat_template", 9, _strings("hello", ESCAPE))],
        [
            _field("tokenizer.chat_template", 8, _text(ESCAPE)),
            _field("tokenizer.chat_template", 8, _text("hello")),
        ],
        [_field("tokenizer.chat_template", 8, _text("{{ x['\\x5f\\x5fclass'] }}"))],
        [_field("tokenizer.chat_template", 8, _text("{{ x | attr(y) }}"))],
        [_field("tokenizer.chat_template", 8, _text("{% set y = '_'*2 %}"))],
    ],
)
def test_a_template_that_leaves_its_sandbox_is_found(fields: list[bytes]) -> None:
    """CVE-2024-34359."""
    assert "chat-template-code" in rules(read(_gguf(fields, [W], bytes(16))))


def test_a_pickle_behind_the_tensors_is_found() -> None:
    assert "os.system" in imports(read(_gguf([], [W], bytes(32) + EVIL)))


@pytest.mark.parametrize("at", range(4, 90))
def test_a_file_cut_off_anywhere_is_never_clean(at: int) -> None:
    whole = _gguf([_field("a", 8, _text("bcd"))], [W], bytes(16))
    if at < len(whole):
        assert rules(read(whole[:at]))
