"""LoRA, LoCon, LoHa, LoKr, DoRA, IA3 and differences, merged into a base model and taken out.

Merging is what every tool's result is measured by; hooks would give the same with more rounding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from scanner.smoke.addons import deltas, names
from scanner.smoke.addons.attached import Fit
from scanner.smoke.addons.deltas import Numbers
from scanner.smoke.addons.names import Layer, Place

#: Where diffusers writes peft's configuration into a file's metadata.
_CONFIG = "lora_adapter_metadata"
_CONFIG_CHARS = 1 << 20


class Lora:
    """An adapter fitted to a base: ``parts`` are the pipeline's UNet and text encoders."""

    def __init__(
        self,
        parts: Mapping[str, torch.nn.Module],
        state: Mapping[str, torch.Tensor],
        metadata: Mapping[str, str],
    ) -> None:
        places = names.places(parts)
        config = _config(metadata)
        layers, unmatched = names.layers(state)
        self._changes: list[tuple[Layer, Place, Numbers]] = []
        applied: list[str] = []
        strange, misfit = list(unmatched), list[str]()
        for layer in layers:
            place = names.find(layer.name, places)
            if place is None:
                strange += layer.keys
            elif not deltas.fits(layer.tensors, place.weight, place.bias):
                misfit += layer.keys
            else:
                given = deltas.numbers(layer.tensors, _alpha(config, place, layer))
                self._changes.append((layer, place, given))
                applied += layer.keys
        self.fit = Fit(tuple(applied), tuple(strange), tuple(misfit))

    @contextmanager
    def at(self, strength: float) -> Iterator[None]:
        # Kept, not computed back: a sum and a difference do not cancel in floating point.
        kept: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        try:
            with torch.no_grad():
                for layer, place, given in self._changes:
                    _merge(layer, place, given, strength, kept)
            yield
        finally:
            with torch.no_grad():
                for parameter, before in reversed(kept):
                    parameter.copy_(before)

    def words(self, prompt: str) -> str:
        return prompt


def _merge(
    layer: Layer,
    place: Place,
    given: Numbers,
    strength: float,
    kept: list[tuple[torch.nn.Parameter, torch.Tensor]],
) -> None:
    device = place.weight.device
    tensors = {role: tensor.to(device, torch.float32) for role, tensor in layer.tensors.items()}
    changes = (
        (place.weight, deltas.weight(tensors, place.weight.float(), given)),
        (place.bias, deltas.bias(tensors, place.bias)),
    )
    for parameter, change in changes:
        if parameter is not None and change is not None:
            # Beside a GPU there is more room.
            kept.append((parameter, parameter.detach().to("cpu", copy=True)))
            parameter.copy_(parameter.float() + strength * change)


def _config(metadata: Mapping[str, str]) -> Mapping[str, object]:
    """peft's configuration, where the file carries it: alpha is nowhere else then."""
    text = metadata.get(_CONFIG, "")
    if not text or len(text) > _CONFIG_CHARS:
        return {}
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def _alpha(config: Mapping[str, object], place: Place, layer: Layer) -> float | None:
    """The alpha that belongs to one layer; as if the rank were divided out in the usual way."""
    alpha = config.get(f"{place.part}.lora_alpha")
    own = config.get(f"{place.part}.alpha_pattern")
    for name, value in own.items() if isinstance(own, dict) else ():
        if place.path == name or place.path.endswith(f".{name}"):
            alpha = value
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        return None
    rank = deltas.rank(layer.tensors) or 1
    stabilised = config.get(f"{place.part}.use_rslora") is True
    return float(alpha) * (rank**0.5 if stabilised else 1.0)
