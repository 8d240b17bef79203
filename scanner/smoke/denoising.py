"""Does the UNet predict noise at all? One step on the reference picture tells.

The error of the prediction is normalised: 1 is what a dead UNet scores, a random one scores
about 1.3, trained ones 0.08 to 0.2 at the middle of the schedule. It also tells a model that
predicts noise (epsilon) from one that predicts velocity (v), which SD2 files do not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from scanner.smoke.outcome import Check, Outcome
from scanner.smoke.parts import Pipeline, Vae
from scanner.smoke.reference import drawn, pixels

TIMESTEP = 500
DEAD_STD = 1e-4
UNTRAINED_ERROR = 0.9


@dataclass(frozen=True, slots=True)
class Errors:
    """Normalised errors of one UNet; ``std`` of what it predicts."""

    finite: bool
    std: float = 0.0
    epsilon: float = 0.0
    v: float = 0.0

    @property
    def prediction(self) -> str:
        return "v" if self.v < self.epsilon else "epsilon"

    def of(self, prediction: str) -> float:
        return self.v if prediction == "v" else self.epsilon


def latents_of(vae: Vae, image: Image.Image) -> torch.Tensor:
    """The picture in latent space, unscaled. A VAE that overflows in fp16, as SDXL's says it does,
    is run in fp32 for it; diffusers' pipelines do the same when they decode."""
    planes = torch.from_numpy(pixels(image).transpose(2, 0, 1)[np.newaxis] * 2 - 1)
    dtype = vae.dtype
    overflows = dtype == torch.float16 and vae.config.force_upcast
    if overflows:
        vae.to(dtype=torch.float32)
    latents = vae.encode(planes.to(vae.device, vae.dtype)).latent_dist.mode()
    if overflows:
        vae.to(dtype=dtype)
    return latents.to(dtype)


def measure(pipeline: Pipeline, size: int) -> Errors:
    """One forward pass of a text-to-image pipeline, with an empty prompt."""
    with torch.inference_mode():
        clean = latents_of(pipeline.vae, drawn(size)) * pipeline.vae.config.scaling_factor
        noise = torch.randn(clean.shape, generator=torch.Generator("cpu").manual_seed(0))
        noise = noise.to(clean.device, clean.dtype)
        time = torch.tensor([TIMESTEP], device=clean.device)
        noisy = pipeline.scheduler.add_noise(clean, noise, time)
        found = predicted(pipeline, noisy, time, size)
        velocity = pipeline.scheduler.get_velocity(clean, noise, time).float()
    if not torch.isfinite(found).all():
        return Errors(finite=False)
    return Errors(
        finite=True,
        std=float(found.std()),
        epsilon=_error(found, noise.float()),
        v=_error(found, velocity),
    )


def predicted(
    pipeline: Pipeline,
    noisy: torch.Tensor,
    time: torch.Tensor,
    size: int,
    prompts: Sequence[str] = ("",),
) -> torch.Tensor:
    """What the UNet takes the noise, or the velocity, to be; ``noisy`` holds one a prompt."""
    encoded = pipeline.encode_prompt(
        prompt=list(prompts),
        device=noisy.device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=False,
    )
    conditions: dict[str, object] = {}
    if len(encoded) == 4:  # SDXL: pooled text and the sizes that it was trained with
        sizes = torch.tensor([[size, size, 0, 0, size, size]] * len(prompts), device=noisy.device)
        conditions = {"text_embeds": encoded[2], "time_ids": sizes.to(noisy.dtype)}
    made = pipeline.unet(
        noisy, time, encoder_hidden_states=encoded[0], added_cond_kwargs=conditions
    )
    return made.sample.float()


def _error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(((found - wanted) ** 2).mean() / wanted.var())


def check(errors: Errors, prediction: str) -> Check:
    """Only a prediction that is not finite fails; the rest is for a person to judge."""
    if not errors.finite:
        return Check("unet", Outcome.FAILED, "The UNet predicts values that are not finite.")
    error = round(errors.of(prediction), 4)
    if errors.std < DEAD_STD:
        outcome, message = Outcome.WARNED, "The UNet is dead: it predicts the same everywhere."
    elif error > UNTRAINED_ERROR:
        outcome, message = (
            Outcome.WARNED,
            "The UNet does not predict the noise in a picture: untrained, damaged or made for "
            "another part.",
        )
    else:
        outcome, message = Outcome.PASSED, "The UNet predicts the noise in a picture."
    return Check("unet", outcome, message, error, UNTRAINED_ERROR)


def prediction_check(errors: Errors) -> Check:
    """Which of the two an undecided file seems to predict."""
    better = errors.prediction
    worse = errors.of("epsilon" if better == "v" else "v")
    clear = errors.of(better) <= UNTRAINED_ERROR
    return Check(
        "prediction",
        Outcome.PASSED if clear else Outcome.WARNED,
        "The file does not say whether it predicts noise (epsilon) or velocity (v); "
        f"{better} fits better: error {errors.of(better):.2f} against {worse:.2f}.",
        round(errors.of(better), 4),
        UNTRAINED_ERROR,
    )
