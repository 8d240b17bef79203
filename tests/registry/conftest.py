"""What the registry's tests share."""

from __future__ import annotations

import pytest

from registry import warm
from tests.registry.pictures import Engine


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The smoke test's engine, which draws at once."""
    engine = Engine()
    monkeypatch.setattr(warm, "smoke", engine)
    return engine
