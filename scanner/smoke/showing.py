"""A whole model shown: loaded, looked over, and asked for pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from scanner.smoke import denoising, generation, loading, picture, previews, prompts, weights
from scanner.smoke.bases import Base, Effort
from scanner.smoke.outcome import Check, Outcome, Picture, Result, failed, verdict
from scanner.smoke.parts import Pipeline
from scanner.smoke.plan import Generate, Mode
from scanner.smoke.setting import Setting, image

#: What a file that says nothing is taken to predict; SD2 is measured instead.
_USUAL = "epsilon"
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
    again = attempt(torch.float32)
    note = Check(
        "fp16",
        Outcome.WARNED,
        "Values overflowed in fp16, as WebUI runs it; the pictures were made in fp32.",
    )
    checks = (*again.checks, note)
    return replace(again, checks=checks, verdict=verdict(checks))


def _attempt(plan: Generate, setting: Setting, dtype: torch.dtype) -> Result:
    effort = effort_of(plan.base, setting)
    state = weights.load(setting.path)
    finite = weights.finite_check(state)
    if finite.outcome is Outcome.FAILED:
        return failed("smoke.weights", finite.message, (finite,))
    pipeline = loading.pipeline(plan, state, dtype, plan.prediction or _USUAL)
    # The file's mapped pages are given back before the generation starts.
    del state
    modules = [
        (name, part)
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    ]
    loaded = weights.unloaded_check(modules)
    checks = [finite, loaded]
    if loaded.outcome is Outcome.FAILED:
        return failed("smoke.incomplete", loaded.message, tuple(checks))
    pipeline.to(setting.device)
    if plan.mode is Mode.TEXT:
        checks += _denoising(plan, pipeline, effort.size)
        if checks[-1].outcome is Outcome.FAILED:
            return failed("smoke.not_finite", checks[-1].message, tuple(checks))
    return _pictures(plan, pipeline, effort, setting, tuple(checks))


def effort_of(base: Base, setting: Setting) -> Effort:
    """What was asked for; where nothing was, what the base's table says for this device."""
    usual = base.gpu if setting.on_gpu else base.cpu
    options = setting.options
    return Effort(
        options.size or usual.size, options.steps or usual.steps, options.pictures or usual.pictures
    )


def _denoising(plan: Generate, pipeline: Pipeline, size: int) -> list[Check]:
    """Whether the UNet works. Where an SD2 file does not say what it predicts, the better fit
    goes into the scheduler."""
    errors = denoising.measure(pipeline, size)
    if plan.prediction is not None or plan.base_name != "sd2" or not errors.finite:
        return [denoising.check(errors, plan.prediction or _USUAL)]
    pipeline.scheduler = loading.scheduler(plan.base, errors.prediction)
    return [
        denoising.prediction_check(errors),
        denoising.check(errors, errors.prediction),
    ]


def _pictures(
    plan: Generate,
    pipeline: Pipeline,
    effort: Effort,
    setting: Setting,
    checks: tuple[Check, ...],
) -> Result:
    options = setting.options
    sheet = prompts.sheet(plan.base_name, effort.pictures, own=options.prompts, seed=options.seed)
    done, total = 0, effort.steps * len(sheet)

    def step_done() -> None:
        nonlocal done
        done = min(done + 1, total)
        setting.progress(done, total)

    setting.progress(0, total)
    images: list[Picture] = []
    seen: list[picture.Figures] = []
    for index, prompt in enumerate(sheet, 1):
        made = generation.picture(
            pipeline,
            plan.mode,
            prompt,
            size=effort.size,
            steps=effort.steps,
            guidance=plan.base.guidance,
            step_done=step_done,
        )
        seen.append(picture.measure(made))
        if seen[-1].finite:
            making = setting.making(
                prompt,
                effort.size,
                steps=effort.steps,
                guidance=plan.base.guidance,
                sampler=generation.SAMPLER,
            )
            images += previews.save(image(made), setting.folder, f"preview-{index}", making)
    judged = picture.judge(seen)
    checks = (*checks, *judged)
    if not all(figures.finite for figures in seen):
        result = failed("smoke.picture_not_finite", judged[0].message, checks)
        return replace(result, images=tuple(images))
    return Result(verdict(checks), checks, tuple(images))
