"""A VAE alone: what is left of the reference picture after encoding and decoding it."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from scanner.smoke import loading, picture, previews, weights
from scanner.smoke.denoising import latents_of
from scanner.smoke.outcome import Check, Outcome, Result, failed, verdict
from scanner.smoke.parts import Vae
from scanner.smoke.plan import RoundTrip
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
    finite = weights.finite_check(state)
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
    making = setting.making(Prompt(CAPTION, 0), size, steps=0, guidance=0.0, sampler="none")
    images = previews.save(image(made), setting.folder, "roundtrip", making)
    return Result(verdict(checks), checks, images)


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
