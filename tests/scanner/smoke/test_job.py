"""What a job makes of the machine that it runs on."""

from __future__ import annotations

import os

import pytest

from scanner.smoke import job


@pytest.mark.parametrize(
    ("asked", "given"), [("", 16), ("1", 1), ("9999", 16), ("0", 16), ("2,1", 16)]
)
def test_as_many_threads_as_cores_or_as_the_environment_asks_for(
    monkeypatch: pytest.MonkeyPatch, asked: str, given: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    assert job.threads(asked) == given
