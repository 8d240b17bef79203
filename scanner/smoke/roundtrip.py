"""A VAE alone: what is left of the reference picture after encoding and decoding it, and where a
base model is at hand, what becomes of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from scanner.smoke import beside, loading, picture, previews, prompts, showing, weights
from scanner.smoke.beside import Way
from scanner.smoke.denoising import latents_of
from scanner.smoke.outcome import Check, Outcome, Picture, Result, failed, verdict
from scanner.smoke.parts import Pipeline, Vae
from scanner.smoke.plan import Generate, RoundTrip
from scanner.smoke.prompts import Prompt
from scanner.smoke.reference import drawn, pixels
from scanner.smoke.setting import Setting, image

CAPTION = "reference picture, encoded and decoded"
_GPU_SIZE, _CPU_SIZE = 512, 256
#: Decibels. Published SD VAEs reach 23.4 to 24.5 on average over photographs.
POOR, BAD = 19.0, 15.0

Pixels = NDArray[np.float32]


def show(plan: RoundTrip, setting: Setting) -> Result:
    """Load the VAE, send the reference picture through, and save what comes back."""
    size = setting.options.size or (_GPU_SIZE if setting.on_gpu else _CPU_SIZE)
    state = weights.load_all(setting.path)
    finite = weights.finite_check(state.items())
    if finite.outcome is Outcome.FAILED:
        return failed("smoke.weights", finite.message, (finite,))
    module = loading.vae(plan.base, state, torch.float32)
    loaded = weights.unloaded_check([("vae", module)])
    if loaded.outcome is Outcome.FAILED:
        return failed("smoke.incomplete", loaded.message, (finite, loaded))
    setting.progress(0, 1)
    made = returned(cast(Vae, module.to(setting.device)), size)
    setting.progress(1, 1)
    figures = picture.measure(made)
    judged = picture.judge([figures])
    checks = (finite, loaded, *judged)
    if not figures.finite:
        return failed("smoke.picture_not_finite", judged[0].message, checks)
    checks = (*checks, check(made, size))
    images = (
        *_saved(drawn(size), "reference", "reference picture", setting),
        *_saved(image(made), "model", CAPTION, setting),
    )
    alone = Result(verdict(checks), checks, images)
    return alone if plan.on is None else _with_base(alone, plan.on, state, setting)


def _saved(shown: Image.Image, role: str, caption: str, setting: Setting) -> tuple[Picture, ...]:
    making = setting.making(Prompt(caption, 0), shown.width, steps=0, guidance=0.0, sampler="none")
    saved = previews.save(shown, setting.folder, f"roundtrip-{role}", making)
    return tuple(replace(item, role=role) for item in saved)


def _with_base(alone: Result, on: Generate, state: weights.State, setting: Setting) -> Result:
    """The round trip's result with a picture of the base model by its own VAE and by this one."""
    compared = showing.in_precision(
        on.base, setting, lambda dtype: _compared(on, state, setting, dtype)
    )
    if compared.verdict is Outcome.SKIPPED:
        note = Check("base", Outcome.SKIPPED, compared.reason or "")
        return replace(alone, checks=(*alone.checks, note))
    known = {check.name for check in alone.checks if check.outcome is not Outcome.PASSED}
    told = (
        check
        for check in compared.checks
        if check.name not in known
        and (check.name == "effect" or check.outcome is not Outcome.PASSED)
    )
    checks = (*alone.checks, *told)
    images = (*alone.images, *(replace(item, group=item.group + 1) for item in compared.images))
    whole = replace(alone, verdict=verdict(checks), checks=checks, images=images)
    return replace(whole, code=compared.code, reason=compared.reason)


def _compared(on: Generate, state: weights.State, setting: Setting, dtype: torch.dtype) -> Result:
    effort = showing.effort_of(on.base, setting)
    pipeline = beside.base(on, setting, dtype, effort.size)
    if isinstance(pipeline, Result):
        return pipeline
    own = loading.vae(on.base, state, dtype).to(setting.device)
    options = setting.options
    sheet = prompts.sheet(on.base_name, 1, own=options.prompts[:1], seed=options.seed)
    wordings = [beside.Wording(prompt, prompt, prompt) for prompt in sheet]
    ways = (
        Way("base", None, wordings, nullcontext()),
        Way("model", None, wordings, _exchanged(pipeline, cast(Vae, own))),
    )
    shots = beside.take(pipeline, on, ways, effort, setting)
    fault = beside.fault_of_base(shots, dtype)
    if fault:
        return fault
    judged = beside.judge(shots)
    images = beside.save(shots, on, effort, setting)
    if not beside.finite(shots, "model"):
        return replace(failed("smoke.picture_not_finite", judged[0].message, judged), images=images)
    # Most VAEs of today are the one that their base has anyway.
    effect = replace(beside.effect_check(shots), outcome=Outcome.PASSED)
    checks = (effect, *judged)
    return Result(verdict(checks), checks, images)


@contextmanager
def _exchanged(pipeline: Pipeline, vae: Vae) -> Iterator[None]:
    before = pipeline.vae
    pipeline.vae = vae
    try:
        yield
    finally:
        pipeline.vae = before


def returned(vae: Vae, size: int) -> Pixels:
    """The reference picture after the round trip: height × width × 3, not clipped if not finite."""
    with torch.inference_mode():
        decoded = vae.decode(latents_of(vae, drawn(size))).sample
    values = (decoded[0].float().cpu().permute(1, 2, 0) + 1) / 2
    return np.clip(np.asarray(values.numpy(), dtype=np.float32), 0.0, 1.0)


def check(made: Pixels, size: int) -> Check:
    """How close the round trip comes, as PSNR."""
    error = float(((made - pixels(drawn(size))) ** 2).mean())
    psnr = round(10 * float(np.log10(1 / max(error, 1e-10))), 2)
    if psnr >= POOR:
        return Check("psnr", Outcome.PASSED, "The picture survives the round trip.", psnr, POOR)
    much = "hardly anything" if psnr < BAD else "little"
    return Check(
        "psnr",
        Outcome.WARNED,
        f"The round trip leaves {much} of the reference picture.",
        psnr,
        POOR,
    )
