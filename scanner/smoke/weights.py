"""The tensors of a safetensors file as torch sees them, and whether their values are numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import safetensors
import torch

from scanner.identify.architectures.table import ARCHITECTURES
from scanner.smoke.outcome import Check, Outcome, named
from scanner.smoke.places import Place

State = dict[str, torch.Tensor]

#: A part's name → how to read its tensors, by their names below its prefix.
Parts = Mapping[str, Callable[[], State]]

#: In a text encoder's layout of transformers, what lies beside the encoder itself.
_WRAPPER, _PROJECTION = "text_model.", "text_projection.weight"


class Handle(Protocol):
    """What we ask of an open file; the library's own class is untyped."""

    def keys(self) -> Iterable[str]: ...
    def get_tensor(self, name: str) -> torch.Tensor: ...
    def metadata(self) -> dict[str, str] | None: ...


class Refused(Exception):
    """safetensors' own reader, which every tool uses, does not take the file at ``path``: there
    are bytes that no tensor covers, say."""

    def __init__(self, path: Path, why: Exception) -> None:
        super().__init__(f"the safetensors library refuses the file: {why}"[:500])
        self.path = path


@contextmanager
def opened(path: Path) -> Iterator[Handle]:
    """``Refused`` for a file that is not as the format wants it."""
    try:
        handle = safetensors.safe_open(path, framework="pt")
    except safetensors.SafetensorError as error:
        raise Refused(path, error) from error
    with handle as file:
        yield cast(Handle, file)


def parts(path: Path, places: Iterable[Place]) -> Parts:
    """Every tensor that a generation uses, mapped from the file when it is asked for. Each reading
    maps the whole file, which counts against the jail's address space until the last tensor is
    gone: so one part is read, used and let go after the other."""
    return {place.part: partial(_part, path, place) for place in places}


def tensors(path: Path, places: Iterable[Place]) -> Iterator[tuple[str, torch.Tensor]]:
    """The same tensors by names that a person can look for in the file."""
    for place in places:
        for name, tensor in _part(path, place).items():
            yield place.prefix + name, tensor


def _part(path: Path, place: Place) -> State:
    with opened(path) as handle:
        names = _below(place, tuple(handle.keys()))
        return {local: handle.get_tensor(name) for name, local in names.items()}


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


def load_all(path: Path) -> State:
    """Every tensor of a file that holds one part only."""
    with opened(path) as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118


def _is_finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point():
        return True
    # The 8-bit floats know no isfinite of their own.
    values = tensor.float() if tensor.element_size() == 1 else tensor
    if not values.numel():
        return True
    # NaN is both the least and the greatest of what it is among; isfinite is 30 times slower.
    return all(bool(torch.isfinite(end)) for end in torch.aminmax(values))


def finite_check(named_tensors: Iterable[tuple[str, torch.Tensor]]) -> Check:
    """Fails with the names of tensors that hold NaN or infinity."""
    broken = [name for name, tensor in named_tensors if not _is_finite(tensor)]
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
