"""The tensors of a safetensors file as torch sees them, and whether their values are numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import safetensors.torch
import torch

from scanner.identify.architectures.table import ARCHITECTURES
from scanner.smoke.outcome import Check, Outcome, named
from scanner.smoke.places import Place

State = dict[str, torch.Tensor]

#: A part's name → its tensors, by their names below its prefix.
Parts = dict[str, State]

#: In a text encoder's layout of transformers, what lies beside the encoder itself.
_WRAPPER, _PROJECTION = "text_model.", "text_projection.weight"


def load(path: Path, places: Iterable[Place]) -> Parts:
    """Every tensor that a generation uses, mapped from the file."""
    with safetensors.safe_open(path, framework="pt") as handle:
        names = tuple(handle.keys())
        return {
            place.part: {
                local: handle.get_tensor(name) for name, local in _below(place, names).items()
            }
            for place in places
        }


def _below(place: Place, names: Iterable[str]) -> dict[str, str]:
    """Full name → local name of what a part is made of."""
    if place.layout == "flat-unet":
        flat = {name.replace(".", ""): name for name in _ldm_names(place.arch)}
        local = {name: flat.get(name.removeprefix(place.prefix)) for name in names}
        return {name: known for name, known in local.items() if known is not None}
    prefix = place.prefix
    found = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    if place.layout == "clip" and prefix.endswith(_WRAPPER):
        projection = prefix.removesuffix(_WRAPPER) + _PROJECTION
        found |= {name: _PROJECTION for name in names if name == projection}
    return found


def _ldm_names(arch: str) -> Iterable[str]:
    row = next(row for row in ARCHITECTURES if (row.name, row.layout) == (arch, "ldm-unet"))
    return row.build().shapes


def named_in_file(parts: Parts, places: Iterable[Place]) -> State:
    """The tensors of all parts by names that a person can look for in the file."""
    return {
        place.prefix + name: tensor
        for place in places
        for name, tensor in parts[place.part].items()
    }


def load_all(path: Path) -> State:
    """Every tensor of a file that holds one part only."""
    return dict(safetensors.torch.load_file(path))


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
