"""Trains the VAE towards the latent space that is laid down.

It does not start from nothing: its skeleton (first and last layers, shortcuts, ups and downs) is
set to carry the three colours through unchanged, so that the encoder averages and the decoder
gives blocks back; what it adds to that is learnt. The decoder draws the edges that the averages
imply.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, sqrt
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from scanner.smoke.bases import BASES
from scanner.smoke.miniature.drawing import Pixels, Random, picture, scene, subject
from scanner.smoke.miniature.latents import BLOCK, SPREAD, TURN, latents
from scanner.smoke.miniature.training.words import random_of

FOLDER = BASES["sd1-mini"].folder
SCALE = 0.18215
SIDE = 128
POOL = 1500
#: Pictures among scenes: the miniature draws the first, strangers bring the second.
SHARE = 0.6
#: What a UNet leaves behind: latents are never quite clean.
UNCLEAN = 0.04
#: A constant beside each colour, so that a norm divides every picture by about the same.
STEADY = 4.0
_QUIET = -14.0  # logarithm of the latents' variance


@dataclass(frozen=True, slots=True)
class Stage:
    crop: int
    batch: int
    steps: int
    rate: float
    least_rate: float


ENCODER = (Stage(64, 4, 150, 1e-4, 1e-5),)
DECODER = (Stage(48, 4, 2600, 2e-4, 4e-5), Stage(128, 2, 150, 4e-5, 4e-6))
#: The last layer of a block starts from nothing, and writes into what is carried: slowly.
SLOWER = 0.15


def built() -> AutoencoderKL:
    """The autoencoder with its skeleton set."""
    model = AutoencoderKL.from_config(AutoencoderKL.load_config(str(FOLDER / "vae")))
    with torch.no_grad():
        _mute(model)
        _lay_encoder(model)
        _lay_decoder(model)
    return model


def _mute(model: AutoencoderKL) -> None:
    """What the blocks add to their input starts from nothing."""
    for name, value in model.named_parameters():
        if ".conv2." in name or ".to_out." in name:
            value.zero_()


def _pairs(weight: torch.Tensor, bias: torch.Tensor, count: int) -> None:
    """Channels by fours: a value, its negative, and two constants."""
    for place in range(0, 4 * count, 4):
        weight[place : place + 4] = 0
        bias[place : place + 4] = torch.tensor([0, 0, STEADY, -STEADY])


def _carry(weight: torch.Tensor, bias: torch.Tensor, tap: torch.Tensor, count: int) -> None:
    """The first ``count`` channels go through, each by itself."""
    weight[:count] = 0
    bias[:count] = 0
    for channel in range(count):
        weight[channel, channel] = tap


def _one(size: int = 3) -> torch.Tensor:
    tap = torch.zeros(size, size)
    tap[size // 2, size // 2] = 1
    return tap


def _lay_encoder(model: AutoencoderKL) -> None:
    encoder = model.encoder
    first = encoder.conv_in
    _pairs(first.weight, first.bias, 3)
    for colour in range(3):
        first.weight[4 * colour, colour, 1, 1] = 1
        first.weight[4 * colour + 1, colour, 1, 1] = -1
    mean = torch.zeros(3, 3)
    mean[:2, :2] = 0.25
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                _carry(resnet.conv_shortcut.weight, resnet.conv_shortcut.bias, _one(1), 12)
        for down in block.downsamplers or ():
            _carry(down.conv.weight, down.conv.bias, mean, 12)
    last = encoder.down_blocks[2].downsamplers[0].conv
    last.weight[12:16] = 0
    last.bias[12:16] = torch.tensor([0, 0, STEADY, -STEADY])
    for colour in range(3):
        for sign, place in ((1.0, 12), (-1.0, 13)):
            last.weight[place, 4 * colour, 1, 1] = sign / 2 / sqrt(3)
            last.weight[place, 4 * colour, 0, 0] = -sign / 2 / sqrt(3)
    _lay_end(encoder.conv_norm_out, encoder.conv_out, 4)
    _lay_quant(model.quant_conv)


def _lay_end(norm: torch.nn.GroupNorm, end: torch.nn.Conv2d, count: int) -> None:
    """silu(x) - silu(-x) is x: values leave as they came."""
    norm.weight[: 4 * count] = sqrt((STEADY**2 + 0.4) / 2)
    norm.bias[: 4 * count] = 0
    end.weight[:, : 4 * count] = 0
    end.weight[:, 4 * count :] *= 0.02
    end.weight[count:] = 0
    end.bias.zero_()
    for channel in range(count):
        end.weight[channel, 4 * channel, 1, 1] = 1
        end.weight[channel, 4 * channel + 1, 1, 1] = -1


def _turn() -> torch.Tensor:
    """From three mean colours and the corner to latents that are not scaled."""
    turn = torch.eye(4)
    turn[:3, :3] = torch.from_numpy(TURN)
    return turn / torch.from_numpy(SPREAD)[:, None] / SCALE


def _lay_quant(quant: torch.nn.Conv2d) -> None:
    quant.weight.zero_()
    quant.weight[:4, :4, 0, 0] = _turn()
    quant.bias[:4] = 0
    quant.bias[4:] = _QUIET


def _lay_decoder(model: AutoencoderKL) -> None:
    decoder = model.decoder
    model.post_quant_conv.weight[..., 0, 0] = torch.linalg.inv(_turn())
    model.post_quant_conv.bias.zero_()
    first = decoder.conv_in
    _pairs(first.weight, first.bias, 3)
    for colour in range(3):
        first.weight[4 * colour, colour, 1, 1] = 1
        first.weight[4 * colour + 1, colour, 1, 1] = -1
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                _carry(resnet.conv_shortcut.weight, resnet.conv_shortcut.bias, _one(1), 12)
        for up in block.upsamplers or ():
            _carry(up.conv.weight, up.conv.bias, _one(), 12)
    _lay_end(decoder.conv_norm_out, decoder.conv_out, 3)


class Pictures:
    """A pool of drawn pictures; crops begin where a block does."""

    def __init__(self, random: Random, count: int = POOL) -> None:
        self._random = random
        self._all = [self._drawn() for _ in range(count)]

    def _drawn(self) -> Pixels:
        if self._random.random() < SHARE:
            return picture(subject(self._random), self._random, SIDE)
        return scene(self._random, SIDE)

    def batch(self, size: int, crop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels from -1 to 1, and their latents (scaled)."""
        pixels, places = [], []
        for _ in range(size):
            whole = self._all[int(self._random.integers(len(self._all)))]
            x, y = self._random.integers(0, (SIDE - crop) // BLOCK + 1, 2) * BLOCK
            part = whole[y : y + crop, x : x + crop]
            if self._random.random() < 0.5:
                part = part[:, ::-1]
            if self._random.random() < 0.5:
                part = part[..., self._random.permutation(3)]
            places.append(latents(part))
            pixels.append(part.transpose(2, 0, 1) * 2 - 1)
        return torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(places))


def _blocks(
    part: torch.nn.Module,
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """What is learnt: the blocks' inner layers, and those that write. The skeleton stays."""
    inner: list[torch.nn.Parameter] = []
    last: list[torch.nn.Parameter] = []
    for name, value in part.named_parameters():
        value.requires_grad_(
            (".resnets." in name and "shortcut" not in name) or "attentions" in name
        )
        if value.requires_grad:
            (last if ".conv2." in name or ".to_out." in name else inner).append(value)
    return inner, last


def _rate(step: int, stage: Stage) -> float:
    if step < 50:
        return stage.rate * (step + 1) / 50
    share = step / stage.steps
    return stage.least_rate + (stage.rate - stage.least_rate) * (1 + cos(pi * share)) / 2


def decoding_loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Squares for the whole, absolute values for crispness, and steps between neighbours."""
    difference = made - wanted
    across = difference[..., 1:] - difference[..., :-1]
    down = difference[..., 1:, :] - difference[..., :-1, :]
    edges = across.abs().mean() + down.abs().mean()
    loss: torch.Tensor = 2 * (difference**2).mean() + 0.5 * difference.abs().mean() + 0.5 * edges
    return loss


def train(
    seed: int,
    folder: Path,
    encoder: tuple[Stage, ...] = ENCODER,
    decoder: tuple[Stage, ...] = DECODER,
) -> Iterator[str]:
    torch.manual_seed(seed)
    random = random_of(seed, 2)
    model = built()
    pictures = Pictures(random)
    began = time.monotonic()
    halves = (
        ("decoder", decoder, model.decoder),
        ("encoder", encoder, model.encoder),
    )
    for half, stages, part in halves:
        inner, last = _blocks(part)
        trained = [*inner, *last]
        for stage in stages:
            optimiser = torch.optim.Adam([{"params": inner}, {"params": last}], betas=(0.9, 0.99))
            shown = 0.0
            for step in range(stage.steps):
                for group, share in zip(optimiser.param_groups, (1.0, SLOWER), strict=True):
                    group["lr"] = share * _rate(step, stage)
                pixels, places = pictures.batch(stage.batch, stage.crop)
                if half == "encoder":
                    found = model.encode(pixels).latent_dist.mean * SCALE
                    loss = functional.mse_loss(found, places) + 0.1 * functional.l1_loss(
                        found, places
                    )
                else:
                    unclean = places + UNCLEAN * torch.rand(1) * torch.randn(places.shape)
                    loss = decoding_loss(model.decode(unclean / SCALE).sample, pixels)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                optimiser.step()
                value = float(loss.detach())
                shown = 0.98 * shown + 0.02 * value if step else value
                if step % 50 == 0:
                    yield f"{time.monotonic() - began:6.0f} s {half} step {step} {shown:.4f}"
                if step % 100 == 99 or step == stage.steps - 1:
                    path = folder / "vae.pt"
                    torch.save(model.state_dict(), path.with_suffix(".new"))
                    path.with_suffix(".new").replace(path)
