"""A short seeded run of a fuzzer, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: A run takes seconds. This is for one that never ends.
_SECONDS = 600


def fuzz(name: str, cases: int, seed: str = "1", *more: str) -> str:
    """What it said. Fails the test that calls it where a case failed."""
    run = subprocess.run(
        [sys.executable, "-m", f"tests.fuzz.{name}", f"--seed={seed}", f"--cases={cases}", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
