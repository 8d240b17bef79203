"""Every name that CPython's C unpickler asks for is in our trace."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_MEMORY = 2 * 1024**3
CASES = 5_000


def _limited() -> None:
    # A mutated memo index makes C allocate a table of that length.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_name_that_c_asks_for_is_missed(seed: int) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.differential", str(seed), str(CASES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=_limited,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "every name seen" in run.stdout
