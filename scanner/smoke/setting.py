"""What every way of showing a model is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

import scanner
from scanner.smoke.options import Options
from scanner.smoke.outcome import Progress
from scanner.smoke.picture import Pixels
from scanner.smoke.plan import Generate
from scanner.smoke.previews import Making
from scanner.smoke.prompts import FAMILIES, Family, Prompt, family_of


@dataclass(frozen=True, slots=True)
class Setting:
    path: Path
    folder: Path
    options: Options
    device: torch.device
    progress: Progress
    #: What sizes are divided by, where memory does not suffice.
    shrink: int = 1

    @property
    def on_gpu(self) -> bool:
        return str(self.device.type) == "cuda"

    @property
    def base_model(self) -> str:
        """What the base model is called."""
        base = self.options.base
        return self.options.base_model or (base.stem if base else "a base model")

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.options.model or self.path.stem

    def clip_skip(self, plan: Generate, family: Family | None) -> int | None:
        """As WebUI counts: what was asked for, else what the file says, else the family's way."""
        usual = family.clip_skip if family else None
        return self.options.clip_skip or plan.clip_skip or usual

    def making(
        self, prompt: Prompt, size: int, *, steps: int, guidance: float, sampler: str
    ) -> Making:
        return Making(
            prompt=prompt,
            steps=steps,
            guidance=guidance,
            sampler=sampler,
            model=self.name,
            version=f"Weighhouse {scanner.__version__}",
            width=size,
            height=size,
        )


def family(plan: Generate, name: str) -> Family | None:
    """By what the file says of itself, else by what the model is called."""
    return FAMILIES.get(plan.family or "") or family_of(plan.base_name, [name])


def image(pixels: Pixels) -> Image.Image:
    """Finite pixels from 0 to 1 as a picture."""
    return Image.fromarray((pixels * 255).round().astype("uint8"))
