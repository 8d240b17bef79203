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
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from diffusers.models.modeling_utils import no_init_weights
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from scanner.smoke.bases import BASES, Base
from scanner.smoke.parts import Pipeline, Scheduler
from scanner.smoke.plan import Generate, Mode
from scanner.smoke.tokenizer import END, START, vocabulary
from scanner.smoke.weights import Parts, State

_PIPELINES: Mapping[tuple[Mode, bool], type] = {
    (Mode.TEXT, False): StableDiffusionPipeline,
    (Mode.TEXT, True): StableDiffusionXLPipeline,
    (Mode.INPAINT, False): StableDiffusionInpaintPipeline,
    (Mode.INPAINT, True): StableDiffusionXLInpaintPipeline,
    (Mode.PIX2PIX, False): StableDiffusionInstructPix2PixPipeline,
    (Mode.PIX2PIX, True): StableDiffusionXLInstructPix2PixPipeline,
    (Mode.REFINE, True): StableDiffusionXLImg2ImgPipeline,
}
_ENCODERS: Mapping[str, type] = {
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
#: What diffusers tells the layouts of a text encoder by.
_CLIP = "cond_stage_model.transformer."
_OPEN_CLIP: Mapping[str, str] = {
    "text_encoder": "cond_stage_model.model.",
    "text_encoder_2": "conditioner.embedders.1.model.",
}
_ATTENTION: Mapping[str, str] = {
    ".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0.",
}  # fmt: skip
#: diffusers' and the ldm code's words for what a UNet predicts.
_PREDICTION: Mapping[str, str] = {"epsilon": "epsilon", "v": "v_prediction"}


def prepare() -> None:
    """Build the tokenizers of every base: their tables are the same for all models."""
    for base in BASES.values():
        for tokens in base.tokenizers:
            _tokenizer(tokens.pad)


def pipeline(plan: Generate, parts: Parts, dtype: torch.dtype, prediction: str) -> Pipeline:
    """The whole model on the CPU in ``dtype``. A missing tensor stays on the meta device."""
    base = plan.base
    held: dict[str, object] = {
        "unet": unet(base, parts["unet"](), dtype, plan.in_channels),
        "vae": vae(base, parts["vae"](), dtype),
        "scheduler": scheduler(base, prediction),
    }
    for part in base.text_encoders:
        slot = base.slot(part)
        held[slot] = _text_encoder(base, slot, parts[part](), dtype)
    for tokens in base.tokenizers:
        held[tokens.part] = _tokenizer(tokens.pad)
    built = cast(Pipeline, _PIPELINES[plan.mode, base.is_xl](**held, **_extras(plan)))
    built.set_progress_bar_config(disable=True)
    # Of several pictures one is decoded after the other: together takes more memory and more time.
    built.vae.enable_slicing()
    return built


def _extras(plan: Generate) -> dict[str, object]:
    if not plan.base.is_xl:
        # Pictures are looked at by a reviewer; a classifier would need weights of its own.
        return {
            "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False,
        }  # fmt: skip
    extras: dict[str, object] = {"add_watermarker": False}
    if plan.mode is Mode.PIX2PIX:
        extras["is_cosxl_edit"] = False
    if plan.mode is Mode.REFINE:
        # It reads with SDXL's second encoder alone, and is told how good a picture shall be.
        extras |= {
            "text_encoder": None, "tokenizer": None, "requires_aesthetics_score": True,
            "force_zeros_for_empty_prompt": False,
        }  # fmt: skip
    return extras


def unet(base: Base, state: State, dtype: torch.dtype, in_channels: int) -> torch.nn.Module:
    """``state`` in either layout, by the names below its prefix."""
    state = _prefixed(state, "input_blocks.0.0.weight", "model.diffusion_model.")
    return _single(UNet2DConditionModel, base, "unet", state, dtype, in_channels)


def vae(base: Base, state: State, dtype: torch.dtype) -> torch.nn.Module:
    """``state`` in any layout, by the names below its prefix or below the usual one."""
    return _single(AutoencoderKL, base, "vae", _as_of_today(state), dtype, 3)


def _prefixed(state: State, telling: str, prefix: str) -> State:
    """diffusers tells the original layout by a tensor's whole name."""
    return {prefix + name: item for name, item in state.items()} if telling in state else state


def _as_of_today(state: State) -> State:
    """diffusers' first releases had words of their own for the layers of an attention, and some
    files hold them as convolutions of one pixel."""
    renamed: State = {}
    for name, item in state.items():
        if ".attentions." in name:
            for old, new in _ATTENTION.items():
                name = name.replace(old, new)
            item = item.flatten(1) if item.ndim == 4 else item
        renamed[name] = item
    return renamed


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
    # Nothing is to be filled with random values: what the file does not bring has to stay empty.
    with no_init_weights():
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


def _text_encoder(base: Base, slot: str, state: State, dtype: torch.dtype) -> torch.nn.Module:
    # A pipeline's from_single_file calls the same function, but takes nothing but a path.
    module = create_diffusers_clip_model_from_ldm(
        _ENCODERS[slot],
        _named_as_in_a_checkpoint(slot, state),
        subfolder=slot,
        config=str(base.folder),
        torch_dtype=dtype,
        local_files_only=True,
    )
    assert isinstance(module, torch.nn.Module)
    if not hasattr(module, "text_model"):
        # transformers did away with the wrapper, and diffusers still asks it for clip skip. Not
        # by assignment: a module that holds itself has no end.
        vars(module)["text_model"] = module
    return module


def _named_as_in_a_checkpoint(slot: str, state: State) -> State:
    if "positional_embedding" in state:
        prefix = _OPEN_CLIP[slot]
        return {prefix + name: item for name, item in state.items()}
    return {
        _CLIP + (name if name.startswith("text_projection.") else f"text_model.{name}"): item
        for name, item in state.items()
    }


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
