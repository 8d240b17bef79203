"""Tensors that belong to no component: what they are there for, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from scanner.identify.matching import Census
from scanner.tensors import TensorTable


class Use(StrEnum):
    SCHEDULE = "schedule"
    OPTIMISER = "optimiser"
    LOSS = "loss"
    EMA = "ema"
    OTHER = "other"


#: Noise schedules and markers: recomputed or read by loaders, a few kilobytes.
_SCHEDULE = re.compile(
    r"(^|\.)(betas|alphas_cumprod(_prev)?|sqrt_(one_minus_)?alphas_cumprod|"
    r"log_one_minus_alphas_cumprod|sqrt_recip(m1)?_alphas_cumprod|posterior_variance|"
    r"posterior_log_variance_clipped|posterior_mean_coef[12]|logvar|sigmas|log_sigmas|"
    r"data_mean|data_std)$|^(v_pred|ztsnr|edm_\w+(\.\w+)?)$|^denoiser\."
)
_OPTIMISER = re.compile(
    r"(^|\.)(optimizers?|optimizer_states?|exp_avg(_sq)?|momentum_buffer|lr_schedulers?)(\.|$)"
)
_LOSS = re.compile(r"(^|\.)(loss|discriminator|lpips|perceptual_loss)\.")
_EMA = re.compile(r"(^|\.)(model_ema|ema_model|ema)\.")


def use(name: str) -> Use:
    """What a tensor outside every component is there for."""
    if _OPTIMISER.search(name):
        return Use.OPTIMISER
    if _LOSS.search(name):
        return Use.LOSS
    if _SCHEDULE.search(name):
        return Use.SCHEDULE
    return Use.EMA if _EMA.search(name) else Use.OTHER


def owners(table: TensorTable, census: Census) -> Mapping[str, str]:
    """The component or use of every tensor, by name."""
    return {
        tensor.name: census.owner.get(tensor.name) or use(tensor.name).value for tensor in table
    }
