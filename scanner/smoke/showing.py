"""A whole model shown: loaded, looked over, and asked for pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from diffusers.loaders.single_file_utils import SingleFileComponentError

from scanner.smoke import (
    denoising,
    generation,
    loading,
    memory,
    picture,
    previews,
    prompts,
    understanding,
    weights,
)
from scanner.smoke.bases import Base, Effort
from scanner.smoke.outcome import Check, Outcome, Picture, Result, failed, verdict
from scanner.smoke.parts import Pipeline
from scanner.smoke.plan import Generate, Mode
from scanner.smoke.setting import Setting, family, image

#: What a file that says nothing is taken to predict; SD2 is measured instead.
_USUAL = "epsilon"
#: A picture's sides are multiples of it.
_LEAST = 64
_OVERFLOWS = ("smoke.not_finite", "smoke.picture_not_finite")


def show(plan: Generate, setting: Setting) -> Result:
    """Text, or text and the reference picture in; pictures out."""
    return in_precision(plan.base, setting, lambda dtype: _attempt(plan, setting, dtype))


def in_precision(base: Base, setting: Setting, attempt: Callable[[torch.dtype], Result]) -> Result:
    """On a GPU in fp16, as WebUI runs everything; once more in fp32 where that overflows."""
    if not setting.on_gpu:
        return attempt(getattr(torch, base.cpu_dtype))
    result = attempt(torch.float16)
    if result.code not in _OVERFLOWS:
        return result
    memory.let_go()
    again = attempt(torch.float32)
    if again.verdict is Outcome.SKIPPED:
        return again
    note = Check(
        "fp16",
        Outcome.WARNED,
        "Values overflowed in fp16, as WebUI runs it; the pictures were made in fp32.",
    )
    checks = (*again.checks, note)
    return replace(again, checks=checks, verdict=verdict(checks))


def _attempt(plan: Generate, setting: Setting, dtype: torch.dtype) -> Result:
    effort = effort_of(plan.base, setting)
    own = [place for place in plan.places if not place.lent]
    finite = weights.finite_check(weights.tensors(setting.path, own))
    if finite.outcome is Outcome.FAILED:
        return failed("smoke.weights", finite.message, (finite,))
    parts = weights.parts(setting.path, own)
    if setting.options.base is not None:
        lent = [place for place in plan.places if place.lent]
        parts = {**parts, **weights.parts(setting.options.base, lent)}
    try:
        pipeline = loading.pipeline(plan, parts, dtype, plan.prediction or _USUAL)
    except (ValueError, KeyError, SingleFileComponentError) as error:
        # diffusers' words for a tensor of another shape than it expects.
        return failed("smoke.load", f"The model cannot be loaded: {error}"[:500], (finite,))
    modules = [
        (name, part)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    ]
    loaded = weights.unloaded_check(modules)
    checks = [finite, loaded, *completed(plan, setting)]
    if loaded.outcome is Outcome.FAILED:
        return failed("smoke.incomplete", loaded.message, tuple(checks))
    if setting.on_gpu:
        pipeline.to(setting.device)
    if plan.mode is Mode.TEXT:
        checks += _denoising(plan, pipeline, effort)
        if checks[-1].outcome is Outcome.FAILED:
            return failed("smoke.not_finite", checks[-1].message, tuple(checks))
    return _pictures(plan, pipeline, effort, setting, tuple(checks))


def completed(plan: Generate, setting: Setting) -> list[Check]:
    """What the model did not bring, and whose it is."""
    if not plan.lent:
        return []
    parts = " and the ".join(plan.lent)
    return [
        Check(
            "completed",
            Outcome.PASSED,
            f"The model brings no {' and no '.join(plan.lent)}: the {parts} of "
            f"{setting.base_model} made the pictures.",
            float(len(plan.lent)),
        )
    ]


def effort_of(base: Base, setting: Setting) -> Effort:
    """What was asked for; where nothing was, what the base's table says for this device."""
    usual = base.gpu if setting.on_gpu else base.cpu
    options = setting.options
    size = options.size or usual.size
    return replace(
        usual,
        size=max(_LEAST, size // setting.shrink // _LEAST * _LEAST),
        steps=options.steps or usual.steps,
        pictures=options.pictures or usual.pictures,
    )


def _denoising(plan: Generate, pipeline: Pipeline, effort: Effort) -> list[Check]:
    """Whether the UNet works, and listens. Where an SD2 file does not say what it predicts, the
    better fit goes into the scheduler."""
    errors = denoising.measure(pipeline, effort.size)
    prediction = plan.prediction or _USUAL
    checks = []
    if plan.prediction is None and plan.base_name == "sd2" and errors.finite:
        prediction = errors.prediction
        pipeline.scheduler = loading.scheduler(plan.base, prediction)
        checks.append(denoising.prediction_check(errors))
    works = denoising.check(errors, prediction)
    if works.outcome is Outcome.PASSED:
        checks.append(understanding.check(pipeline, plan.base_name, prediction, effort))
    return [*checks, works]


def _pictures(
    plan: Generate,
    pipeline: Pipeline,
    effort: Effort,
    setting: Setting,
    checks: tuple[Check, ...],
) -> Result:
    options = setting.options
    style = family(plan, setting.name)
    clip_skip = setting.clip_skip(plan, style)
    sheet = prompts.sheet(
        plan.base_name,
        effort.pictures,
        own=options.prompts,
        seed=options.seed,
        mode=plan.mode,
        family=style,
        trigger=options.trigger,
    )
    done, total = 0, effort.steps * len(sheet)

    def steps_done(count: int) -> None:
        nonlocal done
        done = min(done + count, total)
        setting.progress(done, total)

    setting.progress(0, total)
    images: list[Picture] = []
    seen: list[picture.Figures] = []
    drawn = generation.pictures(
        pipeline,
        plan.mode,
        sheet,
        effort,
        guidance=plan.base.guidance,
        steps_done=steps_done,
        skip=(clip_skip or 0) - plan.base.stops_at,
    )
    for index, (prompt, made) in enumerate(zip(sheet, drawn, strict=True), 1):
        seen.append(picture.measure(made))
        if seen[-1].finite:
            making = setting.making(
                prompt,
                effort.size,
                steps=effort.steps,
                guidance=plan.base.guidance,
                sampler=generation.SAMPLER,
            )
            lent = tuple((part, setting.base_model) for part in plan.lent)
            making = replace(making, lent=lent, clip_skip=clip_skip)
            saved = previews.save(image(made), setting.folder, f"preview-{index}", making)
            images += [replace(item, group=index) for item in saved]
    judged = picture.judge(seen)
    checks = (*checks, *judged)
    if not all(figures.finite for figures in seen):
        result = failed("smoke.picture_not_finite", judged[0].message, checks)
        return replace(result, images=tuple(images))
    return Result(verdict(checks), checks, tuple(images))
