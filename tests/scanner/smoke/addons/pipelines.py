"""Small pipelines with random weights: SD1's layout and SDXL's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from scanner.smoke import loading
from scanner.smoke.bases import BASES

Weights = dict[str, torch.Tensor]
_MINI = BASES["sd1-mini"].folder
_TEXT = {
    "num_hidden_layers": 2, "intermediate_size": 64, "num_attention_heads": 2, "vocab_size": 49408,
    "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip


def sd1() -> Any:
    """The miniature's sizes."""
    torch.manual_seed(1)
    return StableDiffusionPipeline(
        unet=UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(_MINI / "unet")),
        vae=AutoencoderKL.from_config(AutoencoderKL.load_config(_MINI / "vae")),
        text_encoder=CLIPTextModel(CLIPTextConfig.from_pretrained(_MINI / "text_encoder")),
        tokenizer=loading._tokenizer("<|endoftext|>"),
        scheduler=DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(in_channels: int = 4) -> Any:
    """SDXL's blocks and its two text encoders, narrow and shallow."""
    torch.manual_seed(2)
    return StableDiffusionXLPipeline(
        unet=UNet2DConditionModel(
            in_channels=in_channels, sample_size=32,
            block_out_channels=(32, 64, 64), layers_per_block=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 3), attention_head_dim=(2, 4, 8),
            cross_attention_dim=80, use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=8, projection_class_embeddings_input_dim=48 + 6 * 8,
        ),
        vae=AutoencoderKL.from_config(AutoencoderKL.load_config(_MINI / "vae")),
        text_encoder=CLIPTextModel(CLIPTextConfig(hidden_size=32, projection_dim=32, **_TEXT)),
        text_encoder_2=CLIPTextModelWithProjection(
            CLIPTextConfig(hidden_size=48, projection_dim=48, **_TEXT)
        ),
        tokenizer=loading._tokenizer("<|endoftext|>"),
        tokenizer_2=loading._tokenizer("!"),
        scheduler=DDIMScheduler(),
        add_watermarker=False,
    )  # fmt: skip


def parts(pipeline: Any) -> Mapping[str, torch.nn.Module]:
    names = ("unet", "text_encoder", "text_encoder_2")
    return {name: part for name, part in pipeline.components.items() if name in names}


def weights(pipeline: Any) -> Weights:
    """A copy of every weight that an adapter may change."""
    return {
        f"{part}.{name}": tensor.detach().clone()
        for part, module in parts(pipeline).items()
        for name, tensor in module.state_dict().items()
    }


def furthest(first: Weights, second: Weights) -> float:
    assert first.keys() == second.keys()
    return max(
        float((first[name] - second[name]).abs().max()) for name in first if first[name].numel()
    )


def changed(first: Weights, second: Weights) -> set[str]:
    return {name for name in first if not torch.equal(first[name], second[name])}
