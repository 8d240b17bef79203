from __future__ import annotations

import json

import pytest

from scanner import sandbox
from scanner.cli import main

HELD = {"strict": {"read a file": True}, "loose": {"fork": True}, "gpu": {"mount": True}}
LAYERS = ("no-new-privs", "landlock", "rlimits", "seccomp")


def told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tried: dict[str, dict[str, bool]],
    layers: tuple[str, ...] = LAYERS,
    *arguments: str,
) -> tuple[int, str]:
    monkeypatch.setattr(sandbox, "selftest", lambda: tried)
    monkeypatch.setattr(sandbox, "available", lambda *, strict, gpu: layers)
    return main(["selftest", *arguments]), capsys.readouterr().out


def test_a_sandbox_that_holds_is_status_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = told(monkeypatch, capsys, HELD)
    assert status == 0
    assert "barred   read a file" in text
    assert text.endswith("3 of 3 attempts to escape were barred.\n")


def test_an_open_way_out_is_status_one_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = told(monkeypatch, capsys, {**HELD, "loose": {"fork": False}})
    assert status == 1
    assert "OPEN     fork" in text
    assert "2 of 3 attempts" in text


def test_a_missing_layer_is_status_one_even_where_nothing_got_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = told(monkeypatch, capsys, HELD, LAYERS[:-1])
    assert status == 1
    assert "missing  seccomp" in text


def test_a_system_without_a_sandbox_is_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = told(monkeypatch, capsys, {"strict": {}, "loose": {}, "gpu": {}}, (), "--json")
    assert status == 1
    body = json.loads(text)
    assert body["held"] is False
    assert all("seccomp" in body[jail]["missing"] for jail in ("strict", "loose", "gpu"))
