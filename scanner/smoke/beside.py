"""The same prompts and seeds with something and without it: pictures to lay side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from scanner.smoke import denoising, generation, loading, picture, previews, weights
from scanner.smoke.bases import Effort
from scanner.smoke.outcome import Check, Outcome, Picture, Result, failed, skipped
from scanner.smoke.parts import Pipeline
from scanner.smoke.picture import Figures, Pixels
from scanner.smoke.plan import Generate, Mode
from scanner.smoke.prompts import Prompt
from scanner.smoke.setting import Setting, family, image

#: Less than one of the 256 levels that a screen has.
NO_EFFECT = 1 / 255
_USUAL = "epsilon"


class Wording(NamedTuple):
    """One prompt: as the pipeline is given it, as it is shown, and as WebUI's users would write
    it into the parameters."""

    asked: Prompt
    shown: Prompt
    written: Prompt


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make the pictures: ``change`` holds while they are made. There is a wording for
    each group."""

    role: str
    strength: float | None
    wordings: Sequence[Wording]
    change: AbstractContextManager[None]


@dataclass(frozen=True, slots=True)
class Shot:
    way: Way
    group: int
    pixels: Pixels

    @property
    def wording(self) -> Wording:
        return self.way.wordings[self.group - 1]


def base(on: Generate, setting: Setting, dtype: torch.dtype, size: int) -> Pipeline | Result:
    """The base model on its device; a skipped Result where it cannot be used."""
    path = setting.options.base
    assert path is not None
    parts = weights.parts(path, on.places)
    pipeline = loading.pipeline(on, parts, dtype, on.prediction or _USUAL)
    modules = [
        (name, part)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    ]
    loaded = weights.unloaded_check(modules)
    if loaded.outcome is Outcome.FAILED:
        return unusable(loaded.message)
    if setting.on_gpu:
        pipeline.to(setting.device)
    if on.prediction is None and on.base_name == "sd2":
        errors = denoising.measure(pipeline, size)
        pipeline.scheduler = loading.scheduler(on.base, errors.prediction)
    return pipeline


def unusable(reason: str) -> Result:
    return skipped("smoke.base_file", f"the base model cannot be used: {reason}")


def fault_of_base(shots: Sequence[Shot], dtype: torch.dtype) -> Result | None:
    """Why the base model's own pictures are nothing to compare with."""
    worst = next((check for check in picture.judge(_figures(shots, "base"))
                  if check.outcome is Outcome.FAILED), None)  # fmt: skip
    if worst is None:
        return None
    if dtype == torch.float16 and not finite(shots, "base"):
        # Like any overflow, it is tried once more in fp32.
        return failed("smoke.picture_not_finite", worst.message)
    return unusable(worst.message)


def take(
    pipeline: Pipeline, on: Generate, ways: Sequence[Way], effort: Effort, setting: Setting
) -> list[Shot]:
    """Every picture, one way after the other: changing a model takes longer than a prompt."""
    done, total = 0, effort.steps * sum(len(way.wordings) for way in ways)

    def steps_done(count: int) -> None:
        nonlocal done
        done = min(done + count, total)
        setting.progress(done, total)

    skip = (setting.clip_skip(on, family(on, setting.base_model)) or 0) - on.base.stops_at
    setting.progress(0, total)
    shots: list[Shot] = []
    for way in ways:
        with way.change:
            pictures = generation.pictures(
                pipeline,
                Mode.TEXT,
                [wording.asked for wording in way.wordings],
                effort,
                guidance=on.base.guidance,
                steps_done=steps_done,
                skip=skip,
            )
            shots += [Shot(way, group, pixels) for group, pixels in enumerate(pictures, 1)]
    return shots


def save(
    shots: Sequence[Shot], on: Generate, effort: Effort, setting: Setting
) -> tuple[Picture, ...]:
    """Previews of every picture that can be looked at, group by group."""
    images: list[Picture] = []
    ordered = sorted(shots, key=lambda shot: shot.group)
    for shot in ordered:
        if not np.isfinite(shot.pixels).all():
            continue
        way = shot.way
        making = setting.making(
            shot.wording.written,
            effort.size,
            steps=effort.steps,
            guidance=on.base.guidance,
            sampler=generation.SAMPLER,
        )
        options = setting.options
        name = options.base_model or (options.base.stem if options.base else making.model)
        percent = "" if way.strength is None else f"-{way.strength:.0%}".rstrip("%")
        saved = previews.save(
            image(shot.pixels),
            setting.folder,
            f"preview-{shot.group}-{way.role}{percent}",
            replace(making, model=name),
        )
        images += [
            replace(
                item,
                prompt=shot.wording.shown.text,
                role=way.role,
                strength=way.strength,
                group=shot.group,
            )
            for item in saved
        ]
    return tuple(images)


def judge(shots: Sequence[Shot]) -> tuple[Check, ...]:
    """The checks of the pictures with the model under test; a fault that the base model's own
    pictures share does not count."""
    without = picture.judge(_figures(shots, "base"))
    own = {check.name for check in without if check.outcome is not Outcome.PASSED}
    return tuple(_forgiven(check) if check.name in own else check
                 for check in picture.judge(_figures(shots, "model")))  # fmt: skip


def _figures(shots: Sequence[Shot], role: str) -> list[Figures]:
    return [picture.measure(shot.pixels) for shot in shots if shot.way.role == role]


def _forgiven(check: Check) -> Check:
    if check.outcome is Outcome.PASSED:
        return check
    words = f"{check.message} So are the base model's own pictures."
    return replace(check, outcome=Outcome.PASSED, message=words)


def finite(shots: Sequence[Shot], role: str) -> bool:
    return all(figures.finite for figures in _figures(shots, role))


def effect_check(shots: Sequence[Shot]) -> Check:
    """How far the pictures at full strength are from those without: the mean over all pixels of
    the group that changed most."""
    before = {shot.group: shot.pixels for shot in shots if shot.way.role == "base"}
    changes = [
        float(np.abs(shot.pixels - before[shot.group]).mean())
        for shot in shots
        if shot.way.role == "model" and shot.way.strength in (None, 1.0)
    ]
    most = max(changes)
    if most < NO_EFFECT:
        outcome, message = Outcome.WARNED, "The pictures are the same with it and without it."
    else:
        outcome, message = Outcome.PASSED, "The pictures change."
    return Check("effect", outcome, message, round(most, 4), round(NO_EFFECT, 4))
