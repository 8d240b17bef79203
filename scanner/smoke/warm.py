"""What a process imports once, so that every child that it forks starts at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scanner import gpus
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
        with _without_asking_cuda():
            from scanner.smoke import job

            with suppress(EngineError):
                # Whoever needs the vocabulary will say that it is missing.
                vocabulary()
                job.prepare()
    except ImportError as error:
        raise EngineError("smoke.not_installed", str(error)) from error
    return job.perform


@contextmanager
def _without_asking_cuda() -> Iterator[None]:
    """diffusers asks for a GPU while it is imported. Asking starts CUDA, and no child of a process
    that has started it can use it (torch's notes on multiprocessing: "poison fork")."""
    import torch

    asked = torch.cuda.is_available
    torch.cuda.is_available = lambda: False
    try:
        yield
    finally:
        torch.cuda.is_available = asked


def settle() -> None:
    """For a parent of many children: what is here now is never looked at for garbage again, which
    would copy the pages that they share."""
    gc.collect()
    gc.freeze()


def has_gpu() -> bool:
    """Whether a child may hope for one; it alone can find out, for asking starts CUDA."""
    if not gpus.visible():
        return False
    import torch

    return torch.version.cuda is not None
