"""One smoke test from plan to verdict. Runs in the loose jail; imports torch and diffusers."""

from __future__ import annotations

import os
import resource
import time
import warnings
from dataclasses import replace
from pathlib import Path

import diffusers
import torch
from diffusers.schedulers import KarrasDiffusionSchedulers
from PIL import Image

from scanner import gpus
from scanner.errors import EngineError
from scanner.smoke import beside, contact, loading, memory, roundtrip, showing, weights
from scanner.smoke.addons import showing as adding
from scanner.smoke.bases import Base
from scanner.smoke.options import Options
from scanner.smoke.outcome import Check, Outcome, Progress, Result, failed
from scanner.smoke.plan import AddOn, Generate, Plan, RoundTrip
from scanner.smoke.setting import Setting

#: Beyond these neither speed nor repeatability gains.
_MOST_THREADS = 16
#: The jail clears the environment; which GPUs are ours, and how to use them, was said before.
_CUDA = {
    name: os.environ[name]
    for name in (gpus.VISIBLE, "CUDA_DEVICE_ORDER", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    if name in os.environ
}
#: Whoever runs several of us at a time says how many threads each may have: threads that wait for
#: each other on a busy core are far slower than one.
_THREADS = os.environ.get("OMP_NUM_THREADS", "")


def prepare() -> None:
    """Have at hand, before any fork, what every job needs and the libraries put off."""
    for name in KarrasDiffusionSchedulers.__members__:
        # A scheduler that is made asks for all that could stand in for it.
        getattr(diffusers, name)
    # Pillow imports its formats when a picture is first written.
    Image.preinit()
    loading.prepare()


def perform(plan: Plan, path: Path, folder: Path, options: Options, progress: Progress) -> Result:
    """Show the model in ``path`` as planned; previews go into ``folder``, which exists.

    ``EngineError`` is our fault or the machine's; whatever is wrong with the file is a Result.
    """
    started = time.monotonic()
    _prepare(folder)
    device, note = _device(options.device)
    setting = Setting(path, folder, options, device, progress)
    try:
        result = memory.within(setting, lambda attempt: _shown(plan, attempt))
    except weights.Refused as refused:
        result = (
            failed("smoke.unreadable", str(refused))
            if refused.path == path
            else beside.unusable(str(refused))
        )
    drawn = contact.sheet(result.images, folder)
    images = result.images if drawn is None else (*result.images, drawn)
    checks = (*result.checks, note) if note else result.checks
    return replace(result, checks=checks, images=images, seconds=time.monotonic() - started)


def _shown(plan: Plan, setting: Setting) -> Result:
    _settle(setting.device, plan.base if isinstance(plan, Generate | RoundTrip) else plan.on.base)
    match plan:
        case Generate():
            result = showing.show(plan, setting)
        case RoundTrip():
            result = roundtrip.show(plan, setting)
        case AddOn():
            result = adding.show(plan, setting)
    return replace(result, device=setting.device.type, peak_memory=_peak_memory(setting.device))


def _prepare(folder: Path) -> None:
    os.environ["TMPDIR"] = str(folder)
    # Without it cuBLAS is free to give another sum every time.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    os.environ["CUDA_CACHE_DISABLE"] = "1"
    os.environ.update(_CUDA)


def _device(wanted: str) -> tuple[torch.device, Check | None]:
    """Where to draw; a note where there is a GPU and CUDA would not start."""
    cpu = torch.device("cpu")
    if wanted == "cpu":
        return cpu, None
    # torch only warns of a driver that does not answer, and says that there is no GPU.
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = torch.cuda.is_available()
    if found:
        return torch.device("cuda"), None
    why = "; ".join(str(warning.message) for warning in warned)[:500]
    if wanted == "cuda":
        reason = f" that can be used: {why}" if why else ""
        raise EngineError("smoke.no_gpu", f"a GPU was asked for and there is none{reason}")
    if not why:
        return cpu, None
    message = f"The GPU could not be used ({why}); the pictures were made on the CPU."
    return cpu, Check("gpu", Outcome.PASSED, message)


def _settle(device: torch.device, base: Base) -> None:
    """The same seed shall give the same picture."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if device.type == "cpu":
        most = threads(_THREADS)
        torch.set_num_threads(min(most, base.cpu.threads or most))
        return
    if torch.cuda.is_initialized():
        # An attempt that found no room is not what this one takes.
        torch.cuda.reset_peak_memory_stats()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False


def threads(asked: str) -> int:
    """As many as there are cores to run on, or fewer where the environment asks for that."""
    most = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    return min(int(asked), most) if asked.isdecimal() and int(asked) else most


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
