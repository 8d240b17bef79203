"""Prompts in, pixels out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from inspect import signature

import numpy as np
import torch
from numpy.typing import NDArray

from scanner.smoke.bases import Effort
from scanner.smoke.parts import Pipeline
from scanner.smoke.plan import Mode
from scanner.smoke.prompts import Prompt
from scanner.smoke.reference import drawn, mask

SAMPLER = "DDIM"
#: How much noise a refiner is to remove from the reference picture, as a share of the schedule.
REFINED = 0.3


def pictures(
    pipeline: Pipeline,
    mode: Mode,
    prompts: Sequence[Prompt],
    effort: Effort,
    *,
    guidance: float,
    steps_done: Callable[[int], None],
    skip: int = 0,
) -> Iterator[NDArray[np.float32]]:
    """One a prompt: height × width × 3 from 0 to 1. The same for the same prompts and seeds on the
    same machine. ``skip`` are layers of the text encoder to leave out beyond what the base leaves
    out anyway."""
    # What starts from a picture is drawn one by one: not every pipeline takes one for many prompts.
    together = effort.together if mode is Mode.TEXT else 1
    for start in range(0, len(prompts), together):
        batch = prompts[start : start + together]
        yield from _drawn(pipeline, mode, batch, effort, guidance, steps_done, skip)


def _drawn(
    pipeline: Pipeline,
    mode: Mode,
    prompts: Sequence[Prompt],
    effort: Effort,
    guidance: float,
    steps_done: Callable[[int], None],
    skip: int,
) -> list[NDArray[np.float32]]:
    size, steps = effort.size, effort.steps

    def after_step(
        _pipeline: object, _step: int, _time: object, state: dict[str, object]
    ) -> dict[str, object]:
        steps_done(len(prompts))
        return state

    takes = signature(type(pipeline).__call__).parameters
    asked: dict[str, object] = {}
    if "callback_on_step_end" in takes:
        asked["callback_on_step_end"] = after_step
    else:
        # The older way, which SDXL's pix2pix still has.
        asked["callback"] = lambda *_: steps_done(len(prompts))
    if mode is not Mode.TEXT:
        asked["image"] = drawn(size)
    if mode is Mode.INPAINT:
        # Full strength: the number of steps stays what it was.
        asked |= {"mask_image": mask(size), "strength": 1.0}
    if mode is Mode.REFINE:
        # Only this share of the steps is done.
        asked["strength"] = REFINED
        steps = math.ceil(steps / REFINED)
    if "height" in takes:
        # Others take their size from the picture that they are given.
        asked |= {"height": size, "width": size}
    if skip > 0 and "clip_skip" in takes:
        asked["clip_skip"] = min(skip, _layers(pipeline) - 1)
    with torch.inference_mode():
        made = pipeline(
            prompt=[prompt.text for prompt in prompts],
            negative_prompt=[prompt.negative for prompt in prompts],
            num_inference_steps=steps,
            guidance_scale=guidance,
            # Drawn on the CPU, the noise is the same for every GPU.
            generator=[torch.Generator("cpu").manual_seed(prompt.seed) for prompt in prompts],
            output_type="np",
            **asked,
        )
    return [np.asarray(image, dtype=np.float32) for image in made.images]


def _layers(pipeline: Pipeline) -> int:
    """Of the shortest text encoder."""
    encoders = (pipeline.components.get(name) for name in ("text_encoder", "text_encoder_2"))
    configs = (getattr(encoder, "config", None) for encoder in encoders)
    return min(int(config.num_hidden_layers) for config in configs if config is not None)
