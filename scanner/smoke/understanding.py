"""Do the words of a prompt matter to a model? A picture whose noise is to be found is described
rightly, and wrongly: the right words help, if the text encoder is the one that the UNet learnt
with. A foreign or damaged one still gives pictures, only of anything."""

from __future__ import annotations

import torch

from scanner.smoke.bases import Effort
from scanner.smoke.denoising import latents_of, predicted
from scanner.smoke.outcome import Check, Outcome
from scanner.smoke.parts import Pipeline
from scanner.smoke.prompts import DESCRIPTIONS
from scanner.smoke.reference import described

#: Where little but the rough shape of the picture is left, and words say most.
TIMESTEP = 700
#: A part of the noise's own variance: what differs less does not differ.
SAME = 1e-6


def _noise(like: torch.Tensor, seed: int) -> torch.Tensor:
    drawn = torch.randn(like.shape, generator=torch.Generator("cpu").manual_seed(seed))
    return drawn.to(like.device, like.dtype)


def check(pipeline: Pipeline, base_name: str, prediction: str, effort: Effort) -> Check:
    """By how much the error of the prediction grows when the picture is described wrongly, as a
    share of the error; the mean over some noises. To be asked of a UNet that works."""
    words = DESCRIPTIONS[base_name]
    right = wrong = moved = 0.0
    with torch.inference_mode():
        picture = described(base_name, effort.size)
        clean = latents_of(pipeline.vae, picture) * pipeline.vae.config.scaling_factor
        time = torch.tensor([TIMESTEP], device=clean.device)
        for start in range(0, effort.probes, effort.together):
            seeds = range(start, min(start + effort.together, effort.probes))
            noise = torch.cat([_noise(clean, seed) for seed in seeds])
            noisy = pipeline.scheduler.add_noise(clean, noise, time)
            wanted = noise
            if prediction == "v":
                wanted = pipeline.scheduler.get_velocity(clean, noise, time)
            # Every noise with the right words, then every noise with the wrong ones.
            found = predicted(
                pipeline,
                noisy.repeat(2, 1, 1, 1),
                time,
                effort.size,
                [text for text in words for _ in seeds],
            )
            if not torch.isfinite(found).all():
                message = "The UNet predicts values that are not finite where there is much noise."
                return Check("prompt", Outcome.WARNED, message)
            rightly, wrongly = found.chunk(2)
            share = len(seeds) / effort.probes
            right += share * float(((rightly - wanted.float()) ** 2).mean())
            wrong += share * float(((wrongly - wanted.float()) ** 2).mean())
            moved += share * float(((rightly - wrongly) ** 2).mean())
    gain = round((wrong - right) / max(right, SAME), 4)
    if moved < SAME:
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
