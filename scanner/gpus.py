"""Which GPUs there are to draw with, found without starting CUDA."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

#: A list of GPUs by number or UUID; one that is set and empty hides them all.
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible(environ: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` calls each GPU that this process may use (CUDA C++ Programming
    Guide, Environment Variables)."""
    nodes = list(devices.glob("nvidia[0-9]*"))
    listed = environ.get(VISIBLE)
    if not nodes or listed is None:
        return [str(number) for number in range(len(nodes))]
    names = (part.strip() for part in listed.split(","))
    # CUDA reads as far as the first that cannot be one.
    return list(takewhile(lambda name: name and not name.startswith("-"), names))
