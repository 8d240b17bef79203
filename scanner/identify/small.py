"""Kinds that a few marker names give away: control networks, image prompts, upscalers, and the
diffusion models of other families."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scanner.tensors import Tensor, TensorTable


@dataclass(frozen=True, slots=True)
class Sign:
    """``marks`` must all occur in the names; a leading dot or a trailing one stands for itself,
    a leading ``^`` for the beginning of a name."""

    kind: str
    base: str | None
    marks: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class Small:
    kind: str
    base: str | None
    evidence: tuple[str, ...]


#: Asked in this order, before anything else is tried.
ADD_ONS: tuple[Sign, ...] = (
    Sign("ip_adapter", "flux", ("ip_adapter_double_stream",), "IP-Adapter for Flux (XLabs)"),
    Sign("ip_adapter", None, ("^ip_adapter.", "to_k_ip"), "IP-Adapter"),
    Sign("ip_adapter", None, ("^image_proj.",), "IP-Adapter, the image projection"),
    Sign("controlnet", None, ("lllite_unet_",), "ControlNet-LLLite"),
    Sign("controlnet", None, ("zero_convs.", "input_hint_block."), "ControlNet"),
    Sign("controlnet", None, ("zero_convs.", "input_blocks."), "ControlNet"),
    Sign("controlnet", None, ("controlnet_cond_embedding.",), "ControlNet (diffusers)"),
    Sign("controlnet", None, ("controlnet_down_blocks.",), "ControlNet (diffusers)"),
    Sign("controlnet", None, ("^lora_controlnet",), "Control-LoRA"),
    Sign(
        "controlnet",
        "flux",
        ("controlnet_blocks.", "controlnet_x_embedder.", "single_transformer"),
        "ControlNet for Flux",
    ),
    Sign("controlnet", None, ("controlnet_blocks.",), "ControlNet for a diffusion transformer"),
    Sign(
        "controlnet", "flux", ("input_hint_block.", "double_blocks."), "XLabs ControlNet for Flux"
    ),
    Sign("t2i_adapter", None, ("adapter.body.0.", "resnets."), "T2I-Adapter (diffusers)"),
    Sign("t2i_adapter", None, ("body.0.in_conv.",), "T2I-Adapter"),
    Sign("t2i_adapter", None, ("body.0.block1.", "^conv_in."), "T2I-Adapter"),
    Sign("upscaler", None, ("body.0.rdb1.conv1.",), "ESRGAN-type upscaler (RRDB)"),
    Sign("upscaler", None, ("RRDB_trunk.",), "ESRGAN-type upscaler (RRDB)"),
    Sign("upscaler", None, ("model.1.sub.0.RDB1.",), "ESRGAN-type upscaler (RRDB)"),
    Sign("upscaler", None, ("^1.sub.0.RDB1.",), "ESRGAN-type upscaler (RRDB)"),
    Sign("upscaler", None, ("residual_group.blocks.", "conv_first."), "SwinIR-type upscaler"),
    Sign("upscaler", None, ("residual_group.layers.", "conv_first."), "DAT- or HAT-type upscaler"),
    Sign("upscaler", None, ("residual_group.", "conv_before_upsample."), "Transformer upscaler"),
    Sign("upscaler", None, ("conv_hr.", "conv_first."), "ESRGAN-type upscaler"),
    Sign(
        "upscaler",
        None,
        ("^body.0.weight", "^body.1.weight", "^body.2.weight"),
        "Compact (SRVGG) upscaler",
    ),
)
#: Models of families that are known by name only. Asked after the adapters, whose names contain
#: the same words.
FOREIGN: tuple[Sign, ...] = (
    Sign("unet", "flux2", ("double_stream_modulation_img.",), "Flux.2 transformer"),
    Sign("unet", "chroma", ("distilled_guidance_layer.",), "Chroma transformer"),
    Sign("unet", "anima", ("adaln_modulation_cross_attn.", "llm_adapter."), "Anima transformer"),
    Sign("unet", "cosmos", ("adaln_modulation_cross_attn.",), "Cosmos-Predict2 transformer"),
    Sign("unet", "z", ("cap_embedder.", "noise_refiner.", "x_pad_token"), "Z-Image transformer"),
    Sign("unet", "z", ("cap_embedder.", "noise_refiner.", "cap_pad_token"), "Z-Image transformer"),
    Sign("unet", "lumina2", ("cap_embedder.", "noise_refiner."), "Lumina Image 2 transformer"),
    Sign("unet", "qwen", ("transformer_blocks.", ".img_mod.1.", "txt_norm."),
         "Qwen-Image transformer"),
    Sign("unet", "auraflow", ("double_layers.0.attn.w1q",), "AuraFlow transformer"),
    Sign("unet", "hidream", ("double_stream_blocks.", "caption_projection."),
         "HiDream transformer"),
    Sign("unet", "hunyuan-video", ("txt_in.individual_token_refiner.",),
         "HunyuanVideo transformer"),
    Sign("unet", "ltx", ("adaln_single.", "patchify_proj."), "LTX-Video transformer"),
    Sign("unet", "pixart", ("adaln_single.", "caption_projection."), "PixArt transformer"),
    Sign("unet", "wan", ("head.modulation", "text_embedding.0."), "Wan transformer"),
    Sign("text_encoder", "qwen", ("visual.blocks.", "^model.layers.0."), "Qwen-VL encoder"),
    Sign("text_encoder", None, ("model.layers.0.self_attn.q_proj.", "model.embed_tokens."),
         "a language model"),
)  # fmt: skip

#: Width of the prompt that cross-attention reads, by base.
CONTEXTS: Mapping[int, str] = {
    768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner", 32: "sd1-mini",
}  # fmt: skip

_KEYS = re.compile(r"attn2[._]to_[kv](?:\.weight|\.down\.0\.weight)$|to_[kv]_ip\.weight$")


def _texts(names: Mapping[str, Tensor]) -> str:
    return "\n" + "\n".join(names) + "\n"


def recognise(table: TensorTable, signs: tuple[Sign, ...]) -> Small | None:
    """The kind that marker names give away, or None."""
    names = {tensor.name: tensor for tensor in table}
    text = _texts(names)
    for sign in signs:
        if all(mark.replace("^", "\n") in text for mark in sign.marks):
            base = sign.base or _base(sign, names)
            return Small(sign.kind, base, (sign.evidence,))
    return None


def _base(sign: Sign, names: Mapping[str, Tensor]) -> str | None:
    """The base that a control network or image prompt fits."""
    if sign.kind in ("upscaler", "text_encoder", "unet"):
        return None
    for name, tensor in names.items():
        if _KEYS.search(name) and len(tensor.shape) == 2:
            return CONTEXTS.get(tensor.shape[1])
    if sign.kind == "t2i_adapter":
        return _unshuffled(names)
    if any(re.search(r"input_blocks_\d_1_transformer_blocks_[1-9]", name) for name in names):
        return "sdxl"
    if any(name.endswith("add_embedding.linear_1.weight") for name in names):
        return "sdxl"
    if any("joint_blocks." in name or "controlnet_blocks" in name for name in names):
        return _by_width(names)
    return None


def _unshuffled(names: Mapping[str, Tensor]) -> str | None:
    """T2I-Adapters fold 8×8 pixels into channels for SD1, 16×16 for SDXL, of a grey or colour
    picture."""
    for name, tensor in names.items():
        if name.endswith("conv_in.weight") and len(tensor.shape) == 4:
            return {64: "sd1", 192: "sd1", 256: "sdxl", 768: "sdxl"}.get(tensor.shape[1])
    return None


def _by_width(names: Mapping[str, Tensor]) -> str | None:
    """SD3.5-large's transformer is 2,432 wide, Flux's 3,072; 1,536 is SD3 or SD3.5-medium."""
    for name, tensor in names.items():
        if name.endswith((".attn.to_q.weight", ".attn.qkv.weight")) and len(tensor.shape) == 2:
            return {2432: "sd3.5-large", 3072: "flux"}.get(tensor.shape[1])
    return None
