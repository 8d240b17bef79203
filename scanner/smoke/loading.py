"""From tensors to a diffusers pipeline, offline: configs are ours, weights are the file's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import cast

import torch

# By name, for diffusers imports a class's module when it is asked for: the warm parent shall have
# it at hand, not every child anew.
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from scanner.smoke.bases import BASES, Base
from scanner.smoke.parts import Pipeline, Scheduler
from scanner.smoke.plan import Generate, Mode
from scanner.smoke.tokenizer import END, START, vocabulary
from scanner.smoke.weights import State

_PIPELINES: Mapping[tuple[Mode, bool], type] = {
    (Mode.TEXT, False): StableDiffusionPipeline,
    (Mode.TEXT, True): StableDiffusionXLPipeline,
    (Mode.INPAINT, False): StableDiffusionInpaintPipeline,
    (Mode.INPAINT, True): StableDiffusionXLInpaintPipeline,
    (Mode.PIX2PIX, False): StableDiffusionInstructPix2PixPipeline,
    (Mode.PIX2PIX, True): StableDiffusionXLInstructPix2PixPipeline,
}
_ENCODERS: Mapping[str, type] = {
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
#: diffusers' and the ldm code's words for what a UNet predicts.
_PREDICTION: Mapping[str, str] = {"epsilon": "epsilon", "v": "v_prediction"}


def prepare() -> None:
    """Build the tokenizers of every base: their tables are the same for all models."""
    for base in BASES.values():
        for tokens in base.tokenizers:
            _tokenizer(tokens.pad)


def pipeline(plan: Generate, state: State, dtype: torch.dtype, prediction: str) -> Pipeline:
    """The whole model on the CPU in ``dtype``. A missing tensor stays on the meta device."""
    base = plan.base
    parts: dict[str, object] = {
        "unet": unet(base, state, dtype, plan.in_channels),
        "vae": vae(base, state, dtype),
        "scheduler": scheduler(base, prediction),
    }
    for name in base.text_encoders:
        parts[name] = _text_encoder(base, name, state, dtype)
    for tokens in base.tokenizers:
        parts[tokens.part] = _tokenizer(tokens.pad)
    if base.is_xl:
        extras: dict[str, object] = {"add_watermarker": False}
    else:
        # Pictures are looked at by a reviewer; a classifier would need weights of its own.
        extras = {
            "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False,
        }  # fmt: skip
    if plan.mode is Mode.PIX2PIX and base.is_xl:
        extras["is_cosxl_edit"] = False
    built = cast(Pipeline, _PIPELINES[plan.mode, base.is_xl](**parts, **extras))
    built.set_progress_bar_config(disable=True)
    return built


def unet(base: Base, state: State, dtype: torch.dtype, in_channels: int) -> torch.nn.Module:
    return _single(UNet2DConditionModel, base, "unet", state, dtype, in_channels)


def vae(base: Base, state: State, dtype: torch.dtype) -> torch.nn.Module:
    return _single(AutoencoderKL, base, "vae", state, dtype, 3)


def scheduler(base: Base, prediction: str) -> Scheduler:
    """DDIM: deterministic, and the same for every base."""
    made = DDIMScheduler.from_pretrained(
        str(base.folder),
        subfolder="scheduler",
        local_files_only=True,
        prediction_type=_PREDICTION[prediction],
    )
    return cast(Scheduler, made)


def _single(
    kind: type, base: Base, part: str, state: State, dtype: torch.dtype, in_channels: int
) -> torch.nn.Module:
    module = kind.from_single_file(  # type: ignore[attr-defined]  # diffusers is untyped
        state,
        config=str(base.folder),
        subfolder=part,
        local_files_only=True,
        torch_dtype=dtype,
        in_channels=in_channels,
    )
    assert isinstance(module, torch.nn.Module)
    return module


def _text_encoder(base: Base, part: str, state: State, dtype: torch.dtype) -> torch.nn.Module:
    # A pipeline's from_single_file calls the same function, but takes nothing but a path.
    module = create_diffusers_clip_model_from_ldm(
        _ENCODERS[part],
        state,
        subfolder=part,
        config=str(base.folder),
        torch_dtype=dtype,
        local_files_only=True,
    )
    assert isinstance(module, torch.nn.Module)
    return module


@cache
def _tokenizer(pad: str) -> CLIPTokenizer:
    vocab, merges = vocabulary()
    return CLIPTokenizer(
        vocab=vocab,
        # Annotated as strings; the tokenizer behind it takes pairs.
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=pad,
        model_max_length=77,
    )
