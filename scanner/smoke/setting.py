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
from scanner.smoke.previews import Making
from scanner.smoke.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Setting:
    path: Path
    folder: Path
    options: Options
    device: torch.device
    progress: Progress

    @property
    def on_gpu(self) -> bool:
        return str(self.device.type) == "cuda"

    def making(
        self, prompt: Prompt, size: int, *, steps: int, guidance: float, sampler: str
    ) -> Making:
        return Making(
            prompt=prompt,
            steps=steps,
            guidance=guidance,
            sampler=sampler,
            model=self.options.model or self.path.stem,
            version=f"Weighhouse {scanner.__version__}",
            width=size,
            height=size,
        )


def image(pixels: Pixels) -> Image.Image:
    """Finite pixels from 0 to 1 as a picture."""
    return Image.fromarray((pixels * 255).round().astype("uint8"))
