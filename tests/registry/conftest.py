"""What the registry's tests share."""

from __future__ import annotations

import pytest

from registry import warm
from registry.pipeline import redraws
from tests.registry.pictures import Engine


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The smoke test's engine, which draws at once."""
    engine = Engine()
    monkeypatch.setattr(warm, "smoke", engine)
    return engine


@pytest.fixture
def no_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker hears of a redraw."""
    monkeypatch.setattr(redraws, "_ring", lambda row: None)
