"""The miniature: a whole model of SD1's layout that makes a picture in a second or two."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scanner.smoke.files import values, write


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("mini") / "mini.safetensors", values())
