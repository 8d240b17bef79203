"""Trains the UNet and the text encoder, in the latent space that is laid down.

First on pictures half the size, a quarter of the work each, where the words are learnt; then at
full size. Stable Diffusion's own noise schedule, prediction of the noise, losses weighted by the
signal there is (min-SNR), one caption in ten left out for the guidance, an average of the weights
kept along.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from scanner.smoke.bases import BASES
from scanner.smoke.miniature.drawing import Random, Subject, caption, picture, subject
from scanner.smoke.miniature.latents import BLOCK, latents
from scanner.smoke.miniature.training.words import (
    Fillers,
    Vectors,
    ids,
    known,
    random_of,
    tokenizer,
)

FOLDER = BASES["sd1-mini"].folder


@dataclass(frozen=True, slots=True)
class Stage:
    """``steps`` batches of pictures that are ``side`` pixels wide; the rate falls as a cosine."""

    side: int
    batch: int
    steps: int
    rate: float
    least_rate: float


STAGES = (Stage(64, 32, 1000, 2e-3, 8e-4), Stage(128, 16, 2400, 1e-3, 2e-5))
WARM_UP, DROPPED, FILLED = 60, 0.1, 0.12
GAMMA = 5.0
POOL, FRESH = 4096, 4
STEPS = 1000


class Miniature(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """UNet, text encoder and the vectors of its words."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = tokenizer()
        self.taught = known(self.tokens)
        self.unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(str(FOLDER / "unet"))
        )
        config = CLIPTextConfig.from_pretrained(str(FOLDER / "text_encoder"))
        self.text = CLIPTextModel(config)
        self.vectors = Vectors(self.text, self.taught)

    def forward(self, noisy: torch.Tensor, at: torch.Tensor, captions: list[str]) -> torch.Tensor:
        read = self.text(ids(self.tokens, captions)).last_hidden_state
        predicted: torch.Tensor = self.unet(noisy, at, encoder_hidden_states=read).sample
        return predicted


class Average:
    """An exponential average of what is trained, slower as training goes on."""

    def __init__(self, model: torch.nn.Module, decay: float = 0.998) -> None:
        self._decay, self._count = decay, 0
        self._of = [value for value in model.parameters() if value.requires_grad]
        self.values = [value.detach().clone() for value in self._of]

    def follow(self) -> None:
        self._count += 1
        decay = min(self._decay, (1 + self._count) / (10 + self._count))
        with torch.no_grad():
            for mean, value in zip(self.values, self._of, strict=True):
                mean.lerp_(value, 1 - decay)

    def put_in(self) -> None:
        """The average in the place of the last values."""
        with torch.no_grad():
            for mean, value in zip(self.values, self._of, strict=True):
                value.copy_(mean)


class Pool:
    """Drawn pictures as latents. A few are drawn anew for each batch, for drawing takes time."""

    def __init__(self, random: Random, side: int) -> None:
        self._random, self._side = random, side
        self._subjects: list[Subject] = []
        self._latents = np.empty((POOL, 4, side // BLOCK, side // BLOCK), np.float32)
        self._next = 0

    def _draw(self, count: int) -> None:
        for _ in range(count):
            one = subject(self._random)
            place = self._next % POOL
            self._latents[place] = latents(picture(one, self._random, self._side))
            self._subjects[place : place + 1] = [one]
            self._next += 1

    def batch(self, size: int) -> tuple[torch.Tensor, list[Subject]]:
        self._draw(FRESH if self._subjects else 32 * size)
        chosen = self._random.integers(0, len(self._subjects), size)
        # The newest come first, for they have been seen least.
        for place in range(FRESH):
            chosen[place] = (self._next - 1 - place) % POOL
        return torch.from_numpy(self._latents[chosen]), [self._subjects[one] for one in chosen]


def rate(step: int, stage: Stage) -> float:
    if step < WARM_UP:
        return stage.rate * (step + 1) / WARM_UP
    share = (step - WARM_UP) / max(1, stage.steps - WARM_UP)
    return stage.least_rate + (stage.rate - stage.least_rate) * (1 + cos(pi * share)) / 2


def weights(schedule: DDIMScheduler) -> torch.Tensor:
    """Of the loss at each time: as in min-SNR, for a prediction of the noise."""
    kept = schedule.alphas_cumprod
    signal = kept / (1 - kept)
    return torch.clamp(signal, max=GAMMA) / signal


def train(seed: int, folder: Path, stages: tuple[Stage, ...] = STAGES) -> Iterator[str]:
    torch.manual_seed(seed)
    random = random_of(seed, 1)
    model = Miniature()
    fillers = Fillers(model.tokens)
    schedule = DDIMScheduler.from_pretrained(str(FOLDER / "scheduler"))
    loss_weights = weights(schedule)
    trained = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01, betas=(0.9, 0.99))
    average = Average(model)
    began = time.monotonic()
    for number, stage in enumerate(stages):
        pool = Pool(random, stage.side)
        shown = 0.0
        for step in range(stage.steps):
            for group in optimiser.param_groups:
                group["lr"] = rate(step, stage)
            clean, subjects = pool.batch(stage.batch)
            noise = torch.randn(clean.shape)
            at = torch.randint(0, STEPS, (stage.batch,))
            captions = [_caption(one, random, fillers) for one in subjects]
            predicted = model(schedule.add_noise(clean, noise, at), at, captions)
            errors = ((predicted - noise) ** 2).mean(dim=(1, 2, 3))
            loss = (errors * loss_weights[at]).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            average.follow()
            shown = 0.98 * shown + 0.02 * float(loss.detach()) if step else float(loss.detach())
            if step % 50 == 0:
                yield f"{time.monotonic() - began:6.0f} s stage {number} step {step} {shown:.4f}"
            if step % 200 == 199 or step == stage.steps - 1:
                _save(model, average, folder / "diffusion.pt")


def _save(model: Miniature, average: Average, path: Path) -> None:
    """What was trained, and its average; replaced whole, so that a cut leaves the last one."""
    smooth = deepcopy(model.state_dict())
    names = [name for name, value in model.named_parameters() if value.requires_grad]
    smooth |= {name: value.clone() for name, value in zip(names, average.values, strict=True)}
    torch.save({"raw": model.state_dict(), "average": smooth}, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _caption(of: Subject, random: Random, fillers: Fillers) -> str:
    chance = random.random()
    if chance < DROPPED:
        return ""
    text = caption(of, random)
    return fillers.put_into(text, random) if chance < DROPPED + FILLED else text
