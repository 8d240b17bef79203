"""The tensors of a safetensors file as torch sees them, and whether their values are numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import safetensors.torch
import torch

from scanner.smoke.outcome import Check, Outcome, named

State = dict[str, torch.Tensor]

#: Beside a checkpoint's parts lie an EMA copy and buffers, which a generation never touches.
_USED = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "conditioner.")
#: NovelAI's spelling of the same encoder.
_SHORT_CLIP, _CLIP = "cond_stage_model.transformer.", "cond_stage_model.transformer.text_model."


def load(path: Path) -> State:
    """Every tensor that a generation uses, mapped from the file; CLIP's names made uniform."""
    with safetensors.safe_open(path, framework="pt") as handle:
        names = [name for name in handle.keys() if name.startswith(_USED)]  # noqa: SIM118
        return {_uniform(name): handle.get_tensor(name) for name in names}


def load_all(path: Path) -> State:
    """Every tensor of a file that holds one part only."""
    return dict(safetensors.torch.load_file(path))


def _uniform(name: str) -> str:
    if name.startswith(_SHORT_CLIP) and not name.startswith(_CLIP):
        return _CLIP + name.removeprefix(_SHORT_CLIP)
    return name


def _is_finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    # The 8-bit floats know no isfinite of their own.
    values = tensor.float() if tensor.element_size() == 1 else tensor
    return bool(torch.isfinite(values).all())


def finite_check(state: State) -> Check:
    """Fails with the names of tensors that hold NaN or infinity."""
    broken = [name for name, tensor in state.items() if not _is_finite(tensor)]
    if not broken:
        return Check("weights", Outcome.PASSED, "Every weight is finite.", 0.0, 0.0)
    return Check(
        "weights",
        Outcome.FAILED,
        f"{_counted(broken)} not finite: {named(broken)}.",
        float(len(broken)),
        0.0,
    )


def unloaded_check(modules: Iterable[tuple[str, torch.nn.Module]]) -> Check:
    """Fails with the names of parameters that a load left without values."""
    empty = [
        f"{part}.{name}"
        for part, module in modules
        for name, parameter in module.named_parameters()
        if parameter.is_meta
    ]
    if not empty:
        return Check("loaded", Outcome.PASSED, "Every parameter was loaded.", 0.0, 0.0)
    return Check(
        "loaded",
        Outcome.FAILED,
        f"{_counted(empty)} without values after the load: {named(empty)}.",
        float(len(empty)),
        0.0,
    )


def _counted(names: list[str]) -> str:
    return "1 tensor is" if len(names) == 1 else f"{len(names)} tensors are"
