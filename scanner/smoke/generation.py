"""Prompts in, pixels out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from scanner.smoke.parts import Pipeline
from scanner.smoke.plan import Mode
from scanner.smoke.prompts import Prompt
from scanner.smoke.reference import drawn, mask

SAMPLER = "DDIM"


def picture(
    pipeline: Pipeline,
    mode: Mode,
    prompt: Prompt,
    *,
    size: int,
    steps: int,
    guidance: float,
    step_done: Callable[[], None],
) -> NDArray[np.float32]:
    """Height × width × 3 from 0 to 1. The same for the same seed on the same machine."""

    def after_step(
        _pipeline: object, _step: int, _time: object, state: dict[str, object]
    ) -> dict[str, object]:
        step_done()
        return state

    asked: dict[str, object] = {}
    if mode is not Mode.TEXT:
        asked["image"] = drawn(size)
    if mode is Mode.INPAINT:
        # Full strength: the number of steps stays what it was.
        asked |= {"mask_image": mask(size), "strength": 1.0}
    if mode is not Mode.PIX2PIX:
        asked |= {"height": size, "width": size}
    with torch.inference_mode():
        made = pipeline(
            prompt=prompt.text,
            negative_prompt=prompt.negative,
            num_inference_steps=steps,
            guidance_scale=guidance,
            # Drawn on the CPU, the noise is the same for every device.
            generator=torch.Generator("cpu").manual_seed(prompt.seed),
            output_type="np",
            callback_on_step_end=after_step,
            **asked,
        )
    return np.asarray(made.images[0], dtype=np.float32)
