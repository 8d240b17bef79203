"""Out of memory on a GPU is the machine's affair, not the model's: a smaller picture, then the CPU.
On a CPU the jail's limit is the end, and a result."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import torch

from scanner.smoke.outcome import Check, Outcome, Result
from scanner.smoke.setting import Setting

#: How torch says that the CPU's allocator got nothing; it has no class of its own.
_REFUSED = ("can't allocate memory", "not enough memory", "Cannot allocate memory")
#: What want of a GPU's memory is called where its own class is not used: by the driver, by
#: cuBLAS and cuDNN, and by torch's allocator when it cannot ask how much there is.
_NO_ROOM = (
    "out of memory", "alloc_failed", "cublas_status_not_initialized", "nvml_success",
    "unable to find an engine",
)  # fmt: skip


def within(setting: Setting, show: Callable[[Setting], Result]) -> Result:
    """``show`` as often as it takes; a check says what the memory did not suffice for."""
    notes: list[str] = []
    for attempt, words in _attempts(setting):
        result = _tried(attempt, show)
        if result is not None:
            return _noted(result, notes)
        notes.append(words)
    raise MemoryError


def _attempts(setting: Setting) -> Iterator[tuple[Setting, str]]:
    """Settings that need less and less, and what it means when one of them fails."""
    if setting.on_gpu:
        yield setting, "at full size"
        yield replace(setting, shrink=2), "at half the size"
        setting = replace(setting, device=torch.device("cpu"))
    yield setting, ""


def _tried(setting: Setting, show: Callable[[Setting], Result]) -> Result | None:
    try:
        return show(setting)
    except torch.OutOfMemoryError:
        pass
    except RuntimeError as error:
        if any(words in str(error) for words in _REFUSED):
            raise MemoryError(str(error)) from error
        if not setting.on_gpu or not any(words in str(error).lower() for words in _NO_ROOM):
            raise
    # Not before the error is gone: its frames hold what was made so far.
    let_go()
    return None


def let_go() -> None:
    """Give back what an attempt that is over left on the GPU; models hold on to themselves."""
    gc.collect()
    if torch.cuda.is_initialized():
        with suppress(RuntimeError):
            torch.cuda.empty_cache()


def _noted(result: Result, notes: list[str]) -> Result:
    if not notes:
        return result
    note = Check(
        "memory",
        Outcome.PASSED,
        f"The GPU's memory did not suffice {' nor '.join(notes)}; the pictures were made "
        f"{'at half the size' if len(notes) == 1 else 'on the CPU'}.",
        float(len(notes)),
        0.0,
    )
    return replace(result, checks=(*result.checks, note))
