"""The report as JSON can be written down anywhere, whatever names the file holds."""

from __future__ import annotations

import json

from scanner.report import Component, Embedding, Format, Identity, Report, State, to_json


def test_hostile_names_are_written_as_escapes() -> None:
    parts = {"unet": Component(State.PARTIAL, missing=("a\ud800.\0weight",))}
    held = Embedding(1, ("<猫\udfff>",), {"clip\0": 768})
    report = Report(1, Format.UNKNOWN, identity=Identity(embedding=held, components=parts))
    body = to_json(report)
    text = json.dumps(body, ensure_ascii=False)
    assert "\\u0000" not in text
    assert text.encode("utf-8")
    identity = body["identity"]
    assert isinstance(identity, dict)
    assert identity["embedding"] == {
        "vectors": 1, "tokens": ["<猫\\udfff>"], "dims": {"clip\\x00": 768},
    }  # fmt: skip
