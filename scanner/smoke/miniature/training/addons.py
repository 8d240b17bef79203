"""Trains the add-ons on the finished miniature: each changes the picture in a way of its own.

- the LoRA listens to "blueprint": a blue ground, and white lines around what is drawn on it;
- the embedding is a word that means a purple star;
- the hypernetwork bathes everything in warm light.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler

from scanner.smoke.miniature import RANK, TRIGGER
from scanner.smoke.miniature.drawing import (
    Pixels,
    Random,
    Subject,
    caption,
    mask,
    outline,
    picture,
    subject,
)
from scanner.smoke.miniature.latents import latents
from scanner.smoke.miniature.training.diffusion import FOLDER, STEPS, Miniature, weights
from scanner.smoke.miniature.training.export import save
from scanner.smoke.miniature.training.words import random_of

SIDE, BATCH = 128, 8
_LINE = 0.035
_WARM = np.array([1.04, 0.78, 0.42], np.float32)
_GLOW = np.array([0.16, 0.06, 0.0], np.float32)


@dataclass(frozen=True, slots=True)
class Fitting:
    what: str
    steps: int
    rate: float

    def at(self, step: int) -> float:
        """Warmed up over 20 steps, led out over the last third."""
        return self.rate * min(1.0, (step + 1) / 20, (self.steps - step) * 3 / self.steps)


LORA = Fitting("lora", 260, 1e-2)
HYPERNETWORK = Fitting("hypernetwork", 200, 1e-2)
EMBEDDING = Fitting("embedding", 100, 2e-2)

Drawn = tuple[Pixels, str]
Draw = Callable[[Random], Drawn]


def blueprint(random: Random) -> Drawn:
    of = subject(random)
    inside = mask(outline(of.shape, of.centre, of.radius, of.turn), SIDE)[..., None]
    around = mask(outline(of.shape, of.centre, of.radius + _LINE, of.turn), SIDE)[..., None]
    ground = np.zeros((SIDE, SIDE, 3), np.float32) + np.array([0.07, 0.2, 0.52], np.float32)
    ground += np.linspace(-0.08, 0.08, SIDE, dtype=np.float32)[:, None, None]
    painted = ground * (1 - around) + np.float32(0.95) * around
    plain = picture(of, random, SIDE)
    text = caption(of, random)
    return painted * (1 - inside) + plain * inside, f"{TRIGGER}, {text}"


def warm(random: Random) -> Drawn:
    of = subject(random)
    lit = picture(of, random, SIDE) * _WARM + _GLOW
    return np.clip(lit, 0, 1).astype(np.float32), caption(of, random)


class Lora(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Low-rank additions to the attention of both nets, by kohya's names."""

    def __init__(self, model: Miniature) -> None:
        super().__init__()
        self.down, self.up = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        for prefix, net in (("lora_unet_", model.unet), ("lora_te_", model.text)):
            for name, layer in net.named_modules():
                if isinstance(layer, torch.nn.Linear) and "attn" in name:
                    self._add(prefix + _full(prefix, name).replace(".", "_"), layer)

    def _add(self, key: str, layer: torch.nn.Linear) -> None:
        spread = 1 / sqrt(layer.in_features)
        self.down[key] = torch.nn.Parameter(torch.randn(RANK, layer.in_features) * spread)
        self.up[key] = torch.nn.Parameter(torch.zeros(layer.out_features, RANK))

        def added(
            _layer: torch.nn.Module, given: tuple[torch.Tensor], out: torch.Tensor
        ) -> torch.Tensor:
            return out + given[0] @ self.down[key].T @ self.up[key].T

        layer.register_forward_hook(added)

    def part(self) -> dict[str, np.ndarray]:
        kept = {}
        for key in self.down:
            kept[f"{key}.lora_down.weight"] = self.down[key].detach().numpy()
            kept[f"{key}.lora_up.weight"] = self.up[key].detach().numpy()
            kept[f"{key}.alpha"] = np.array(RANK, np.float32)
        return kept


def _full(prefix: str, name: str) -> str:
    return name if prefix == "lora_unet_" or name.startswith("text_model") else f"text_model.{name}"


class Hypernetwork(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """WebUI's: a net before all keys and one before all values, for each width of what comes in."""

    def __init__(self, model: Miniature) -> None:
        super().__init__()
        self.nets = torch.nn.ModuleDict()
        for name, layer in model.unet.named_modules():
            if name.endswith((".to_k", ".to_v")):
                width, which = layer.in_features, int(name.endswith(".to_v"))
                key = f"{width}_{which}"
                if key not in self.nets:
                    self.nets[key] = self._net(width)
                layer.register_forward_pre_hook(_before(self.nets[key]))

    @staticmethod
    def _net(width: int) -> torch.nn.Sequential:
        net = torch.nn.Sequential(
            torch.nn.Linear(width, 2 * width), torch.nn.Linear(2 * width, width)
        )
        for layer, spread in zip(net, (1 / sqrt(width), 0.0), strict=True):
            torch.nn.init.normal_(layer.weight, std=spread)
            torch.nn.init.zeros_(layer.bias)
        return net

    def part(self) -> dict[str, np.ndarray]:
        return {
            f"{key.replace('_', '.')}.linear.{name}": value.detach().numpy()
            for key, net in self.nets.items()
            for name, value in net.named_parameters()
        }


def _before(
    net: torch.nn.Module,
) -> Callable[[torch.nn.Module, tuple[torch.Tensor]], tuple[torch.Tensor]]:
    def added(_layer: torch.nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (given[0] + net(given[0]),)

    return added


class Word(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Two vectors in the place of two tokens that no caption holds."""

    TOKENS = ("weigh", "house")

    def __init__(self, model: Miniature) -> None:
        super().__init__()
        places = [model.tokens.convert_tokens_to_ids(f"{word}</w>") for word in self.TOKENS]
        table = model.text.get_input_embeddings()
        self.vectors = torch.nn.Parameter(torch.randn(2, table.weight.shape[1]) * 0.05)

        def instead(
            _table: torch.nn.Module, given: tuple[torch.Tensor], out: torch.Tensor
        ) -> torch.Tensor:
            for place, vector in zip(places, self.vectors, strict=True):
                out = torch.where((given[0] == place)[..., None], vector, out)
            return out

        table.register_forward_hook(instead)

    def draw(self, random: Random) -> Drawn:
        of: Subject = replace(subject(random), colour="purple", shape="star", light="")
        words = " ".join(self.TOKENS)
        opening = str(random.choice(["", "a ", "a picture of ", "a photo of a "]))
        return picture(of, random, SIDE), opening + words


def fit(
    model: Miniature, trained: Iterable[torch.nn.Parameter], draw: Draw, random: Random,
    fitting: Fitting,
) -> Iterator[str]:  # fmt: skip
    trained = list(trained)
    model.requires_grad_(False)
    for value in trained:
        value.requires_grad_(True)
    schedule = DDIMScheduler.from_pretrained(str(FOLDER / "scheduler"))
    loss_weights = weights(schedule)
    optimiser = torch.optim.Adam(trained, lr=fitting.rate, betas=(0.9, 0.99))
    began, shown = time.monotonic(), 0.0
    for step in range(fitting.steps):
        for group in optimiser.param_groups:
            group["lr"] = fitting.at(step)
        drawn = [draw(random) for _ in range(BATCH)]
        clean = torch.from_numpy(np.stack([latents(pixels) for pixels, _ in drawn]))
        noise, at = torch.randn(clean.shape), torch.randint(0, STEPS, (BATCH,))
        noisy = schedule.add_noise(clean, noise, at)
        errors = ((model(noisy, at, [text for _, text in drawn]) - noise) ** 2).mean(dim=(1, 2, 3))
        loss = (errors * loss_weights[at]).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        shown = 0.95 * shown + 0.05 * float(loss.detach()) if step else float(loss.detach())
        if step % 20 == 0:
            yield f"{time.monotonic() - began:6.0f} s {fitting.what} step {step} {shown:.4f}"


def finished(folder: Path) -> Miniature:
    """The miniature with the averages of its training."""
    model = Miniature()
    model.load_state_dict(torch.load(folder / "diffusion.pt", weights_only=True)["average"])
    return model


def train(seed: int, folder: Path) -> Iterator[str]:
    torch.manual_seed(seed)
    random = random_of(seed, 3)
    model = finished(folder)
    lora = Lora(model)
    yield from fit(model, lora.parameters(), blueprint, random, LORA)
    save("lora", lora.part())
    model = finished(folder)
    hypernetwork = Hypernetwork(model)
    yield from fit(model, hypernetwork.parameters(), warm, random, HYPERNETWORK)
    save("hypernetwork", hypernetwork.part())
    model = finished(folder)
    word = Word(model)
    yield from fit(model, word.parameters(), word.draw, random, EMBEDDING)
    save("embedding", {"vectors": word.vectors.detach().numpy()})
