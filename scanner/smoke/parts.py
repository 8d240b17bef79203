"""What we use of diffusers' objects, and no more: its own types come and go with its releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray


class Sample(Protocol):
    sample: torch.Tensor


class Distribution(Protocol):
    def mode(self) -> torch.Tensor: ...


class Encoding(Protocol):
    latent_dist: Distribution


class VaeConfig(Protocol):
    scaling_factor: float
    force_upcast: bool


class Vae(Protocol):
    device: torch.device
    dtype: torch.dtype
    config: VaeConfig

    def to(self, *, dtype: torch.dtype) -> Self: ...
    def encode(self, x: torch.Tensor) -> Encoding: ...
    def decode(self, z: torch.Tensor) -> Sample: ...
    def enable_slicing(self) -> None: ...


class Unet(Protocol):
    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor | None,
        added_cond_kwargs: Mapping[str, object],
    ) -> Sample: ...


class Scheduler(Protocol):
    def add_noise(
        self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor: ...
    def get_velocity(
        self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor: ...


class Made(Protocol):
    images: Sequence[NDArray[np.float32]]


class Pipeline(Protocol):
    vae: Vae
    unet: Unet
    scheduler: Scheduler

    @property
    def components(self) -> Mapping[str, object]: ...
    def to(self, device: torch.device) -> Self: ...
    def set_progress_bar_config(self, *, disable: bool) -> None: ...
    def encode_prompt(
        self,
        *,
        prompt: list[str],
        device: torch.device,
        num_images_per_prompt: int,
        do_classifier_free_guidance: bool,
    ) -> Sequence[torch.Tensor | None]: ...
    def __call__(self, **asked: object) -> Made: ...
