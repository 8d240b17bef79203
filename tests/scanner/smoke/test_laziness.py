from __future__ import annotations

import subprocess
import sys

import pytest

#: A build of torch for CUDA, as far as those who ask before they fork can see.
_AS_IF_FOR_CUDA = """
import torch

asked = []
torch._C._accelerator_getAccelerator = lambda: torch.device("cuda")
torch.cuda.is_available = lambda: bool(asked.append("available"))
torch.cuda.device_count = lambda: int(bool(asked.append("count")))
"""


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_does_not_import_torch() -> None:
    code = (
        "import sys, scanner.smoke; print([m for m in ('torch', 'diffusers') if m in sys.modules])"
    )
    assert printed(code) == "[]"


def test_what_is_imported_before_a_fork_does_not_start_cuda() -> None:
    pytest.importorskip("diffusers")
    code = _AS_IF_FOR_CUDA + "from scanner.smoke.warm import warm; warm(); print(asked)"
    assert printed(code) == "[]"
    # Nor is the question gone for good: a child asks.
    code = _AS_IF_FOR_CUDA + "from scanner.smoke.warm import warm; warm(); "
    assert printed(code + "torch.cuda.is_available(); print(asked)") == "['available']"


def test_diffusers_by_itself_does_start_cuda() -> None:
    """What the test above relies on: it would pass on nothing otherwise."""
    pytest.importorskip("diffusers")
    code = _AS_IF_FOR_CUDA + "from diffusers import DiffusionPipeline; print(bool(asked))"
    assert printed(code) == "True"
