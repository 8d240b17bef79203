"""Prompts in, pixels out."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
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
    takes = signature(type(pipeline).__call__).parameters
    asked = _start(mode, effort)
    if "height" in takes:
        # Others take their size from the picture that they are given.
        asked |= {"height": effort.size, "width": effort.size}
    if skip > 0 and "clip_skip" in takes:
        asked["clip_skip"] = min(skip, _layers(pipeline) - 1)
    # What starts from a picture is drawn one by one: not every pipeline takes one for many prompts.
    together = effort.together if mode is Mode.TEXT else 1
    for start in range(0, len(prompts), together):
        batch = prompts[start : start + together]
        with torch.inference_mode():
            made = pipeline(
                prompt=[prompt.text for prompt in batch],
                negative_prompt=[prompt.negative for prompt in batch],
                guidance_scale=guidance,
                # Drawn on the CPU, the noise is the same for every GPU.
                generator=[torch.Generator("cpu").manual_seed(prompt.seed) for prompt in batch],
                output_type="np",
                **asked,
                **_telling(takes, partial(steps_done, len(batch))),
            )
        yield from (np.asarray(image, dtype=np.float32) for image in made.images)


def _start(mode: Mode, effort: Effort) -> dict[str, object]:
    """What a pipeline starts from, and in how many steps."""
    if mode is Mode.TEXT:
        return {"num_inference_steps": effort.steps}
    given: dict[str, object] = {"image": drawn(effort.size), "num_inference_steps": effort.steps}
    if mode is Mode.INPAINT:
        # Full strength: the number of steps stays what it was.
        given |= {"mask_image": mask(effort.size), "strength": 1.0}
    if mode is Mode.REFINE:
        # Only this share of the steps is done.
        given |= {"strength": REFINED, "num_inference_steps": math.ceil(effort.steps / REFINED)}
    return given


def _telling(takes: Container[str], step_done: Callable[[], None]) -> dict[str, object]:
    """How a pipeline is asked to say that it has done a step."""

    def after_step(
        _pipeline: object, _step: int, _time: object, state: dict[str, object]
    ) -> dict[str, object]:
        step_done()
        return state

    if "callback_on_step_end" in takes:
        return {"callback_on_step_end": after_step}
    # The older way, which SDXL's pix2pix still has.
    return {"callback": lambda *_: step_done()}


def _layers(pipeline: Pipeline) -> int:
    """Of the shortest text encoder."""
    encoders = (pipeline.components.get(name) for name in ("text_encoder", "text_encoder_2"))
    configs = (getattr(encoder, "config", None) for encoder in encoders)
    return min(int(config.num_hidden_layers) for config in configs if config is not None)
