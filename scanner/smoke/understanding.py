"""Do the words of a prompt matter to a model? A picture whose noise is to be found is described
rightly, and wrongly: the right words help, if the text encoder is the one that the UNet learnt
with. A foreign or damaged one still gives pictures, only of anything."""

from __future__ import annotations

import torch

from scanner.smoke.denoising import latents_of, predicted
from scanner.smoke.outcome import Check, Outcome
from scanner.smoke.parts import Pipeline
from scanner.smoke.prompts import DESCRIPTIONS
from scanner.smoke.reference import described

#: Where little but the rough shape of the picture is left, and words say most.
TIMESTEP = 700
#: A part of the noise's own variance: what differs less does not differ.
SAME = 1e-6


def check(pipeline: Pipeline, base_name: str, prediction: str, size: int, probes: int) -> Check:
    """By how much the error of the prediction grows when the picture is described wrongly, as a
    share of the error; the mean over some noises. To be asked of a UNet that works."""
    right = wrong = moved = 0.0
    with torch.inference_mode():
        picture = described(base_name, size)
        clean = latents_of(pipeline.vae, picture) * pipeline.vae.config.scaling_factor
        time = torch.tensor([TIMESTEP], device=clean.device)
        for seed in range(probes):
            noise = torch.randn(clean.shape, generator=torch.Generator("cpu").manual_seed(seed))
            noise = noise.to(clean.device, clean.dtype)
            noisy = pipeline.scheduler.add_noise(clean, noise, time)
            wanted = noise
            if prediction == "v":
                wanted = pipeline.scheduler.get_velocity(clean, noise, time)
            noisy = noisy.repeat(2, 1, 1, 1)
            described_rightly, wrongly = predicted(
                pipeline, noisy, time, size, DESCRIPTIONS[base_name]
            )
            right += float(((described_rightly - wanted.float()) ** 2).mean())
            wrong += float(((wrongly - wanted.float()) ** 2).mean())
            moved += float(((described_rightly - wrongly) ** 2).mean())
    gain = round((wrong - right) / max(right, SAME), 4)
    if moved < SAME * probes:
        outcome, message = Outcome.WARNED, "The model draws the same whatever the prompt says."
    elif not gain > 0:
        outcome, message = (
            Outcome.WARNED,
            "The words of a prompt do not help the UNet: the text encoder may be damaged, or made "
            "for another model.",
        )
    else:
        outcome, message = Outcome.PASSED, "The words of a prompt matter."
    return Check("prompt", outcome, message, gain, 0.0)
