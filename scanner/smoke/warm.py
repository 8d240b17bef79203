"""What a process imports once, so that every child that it forks starts at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scanner.errors import EngineError
from scanner.smoke.options import Options
from scanner.smoke.outcome import Progress, Result
from scanner.smoke.plan import Plan
from scanner.smoke.tokenizer import vocabulary

Perform = Callable[[Plan, Path, Path, Options, Progress], Result]

_ENVIRONMENT = {
    # Read when huggingface_hub is imported: there is nothing to ask the Hub for.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    # Threads that wait by spinning take the cores from each other: on a busy machine a run took
    # three times as long. Read when OpenMP's library is loaded.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def warm() -> Perform:
    """The job, with torch, diffusers and the vocabulary in this process. Nothing is computed here,
    and CUDA is never asked: neither OpenMP's threads nor a GPU's context survive a fork. (OpenBLAS
    starts threads when numpy is imported, and ends them itself before a fork.)"""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from scanner.smoke import job
    except ImportError as error:
        raise EngineError("smoke.not_installed", str(error)) from error
    with suppress(EngineError):
        # Whoever needs the vocabulary will say that it is missing.
        vocabulary()
        job.prepare()
    return job.perform


def settle() -> None:
    """For a parent of many children: what is here now is never looked at for garbage again, which
    would copy the pages that they share."""
    gc.collect()
    gc.freeze()


def has_gpu() -> bool:
    # Asking torch would start CUDA here, and a forked child cannot use it any more.
    return any(Path("/dev").glob("nvidia[0-9]*"))
