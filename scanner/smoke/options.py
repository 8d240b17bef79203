"""What a caller may choose about a smoke test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scanner.errors import EngineError

DEVICES = ("auto", "cpu", "cuda")
#: Layers from the text encoder's end, as WebUI counts them.
CLIP_SKIPS = range(1, 13)


@dataclass(frozen=True, slots=True)
class Options:
    """None leaves the choice to the base's table; ``size`` in pixels, both ways. ``prompts``
    replace the prompt sheet, and ``trigger`` joins every prompt. ``base`` is a whole safetensors
    checkpoint that add-ons are shown on and that lends the parts that a model does not bring.
    ``model`` and ``base_model`` are the names written into the parameters; ``clip_skip`` counts
    the text encoder's layers from the last as WebUI does, so that 1 skips none."""

    size: int | None = None
    steps: int | None = None
    seed: int | None = None
    prompts: tuple[str, ...] = ()
    pictures: int | None = None
    device: str = "auto"
    model: str | None = None
    base: Path | None = None
    trigger: str | None = None
    clip_skip: int | None = None
    base_model: str | None = None

    def __post_init__(self) -> None:
        _within("size", self.size, 64, 2048)
        _within("steps", self.steps, 1, 150)
        _within("seed", self.seed, 0, 2**63 - 1)
        _within("pictures", self.pictures, 1, 16)
        _within("clip skip", self.clip_skip, CLIP_SKIPS[0], CLIP_SKIPS[-1])
        if self.size is not None and self.size % 64:
            raise EngineError("smoke.option", "size must be a multiple of 64", size=self.size)
        if self.device not in DEVICES:
            raise EngineError("smoke.option", f"device is one of {', '.join(DEVICES)}")


def _within(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise EngineError("smoke.option", f"{name} lies between {least} and {most}", value=value)
