"""Mutated files of every format get a verdict: no exception, no hang, no memory without end."""

from __future__ import annotations

from tests.fuzz.running import fuzz

CASES = 300


def test_every_mutated_file_is_judged() -> None:
    assert "every file judged" in fuzz("readers", CASES)
