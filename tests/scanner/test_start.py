"""A scan is one short process: what it imports is most of what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.scanner.formats.files import EVIL, saved

ROOT = Path(__file__).parents[2]
#: Each takes as long to import as a small checkpoint takes to read. ``dataclasses`` brings
#: ``inspect`` along, and a class made with it costs a millisecond.
SLOW = (
    "asyncio", "concurrent.futures", "dataclasses", "email", "fickling", "inspect", "logging",
    "multiprocessing", "numpy", "random", "socket", "subprocess", "tempfile", "torch",
)  # fmt: skip
_CODE = """
import json, sys
from scanner.cli import main
main(sys.argv[1:])
print(json.dumps(list(sys.modules)))
"""


def _imported(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("data", [saved({"w": torch.ones(2, 3)}), EVIL], ids=["clean", "flagged"])
def test_a_scan_for_people_imports_nothing_slow(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    imported = _imported("inspect", "--only", "safety", str(file))
    assert "scanner.rules.dangerous_call" in imported
    assert imported.isdisjoint(SLOW)
