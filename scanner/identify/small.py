"""Files that a few marker names give away (``signs``). What base they fit follows from widths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from scanner.identify.signs import Sign
from scanner.tensors import Tensor, TensorTable


class Small(NamedTuple):
    kind: str
    base: str | None
    evidence: tuple[str, ...]


#: Width of the prompt that cross-attention reads, by base.
CONTEXTS: Mapping[int, str] = {
    768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner", 32: "sd1-mini",
}  # fmt: skip

#: Where a control network or an image prompt reads the text prompt.
_KEYS = re.compile(
    r"attn2[._](processor\.)?to_[kv](\.weight|\.down\.0\.weight|\.down|_lora\.down\.weight)$"
    r"|to_[kv]_ip\.weight$|id_to_[kv]\.weight$"
)
#: Beginnings of the parts that make a checkpoint of a diffusion model.
_BESIDE = ("vae.", "first_stage_model.", "text_encoders.", "conditioner.", "cond_stage_model.",
           "text_encoder.")  # fmt: skip


def recognise(table: TensorTable, signs: tuple[Sign, ...]) -> Small | None:
    """The kind that marker names give away, or None."""
    names = {tensor.name: tensor for tensor in table}
    text = "\n" + "\n".join(names) + "\n"
    for sign in signs:
        if all(_mark(mark) in text for mark in sign.marks):
            return Small(_kind(sign, names), sign.base or _base(sign, names), (sign.evidence,))
    return None


@cache
def _mark(mark: str) -> str:
    return mark.replace("^", "\n").replace("$", "\n")


def _kind(sign: Sign, names: Mapping[str, Tensor]) -> str:
    """A diffusion model with encoders or an autoencoder beside it is a checkpoint."""
    beside = sign.kind == "unet" and any(name.startswith(_BESIDE) for name in names)
    return "checkpoint" if beside else sign.kind


def _base(sign: Sign, names: Mapping[str, Tensor]) -> str | None:
    """The base that a control network or image prompt fits, or that the widths tell."""
    if sign.widths:
        reads = Counter(tensor.shape[1] for tensor in names.values() if len(tensor.shape) == 2)
        width, told = max(sign.widths, key=lambda item: reads[item[0]])
        return told if reads[width] else None
    if sign.kind not in ("controlnet", "ip_adapter", "t2i_adapter"):
        return None
    for name, tensor in names.items():
        if _KEYS.search(name) and len(tensor.shape) == 2:
            base = CONTEXTS.get(tensor.shape[1])
            return base or _WIDTHS.get(tensor.shape[0])
    if sign.kind == "t2i_adapter":
        return _unshuffled(names)
    if any(re.search(r"input_blocks_\d_1_transformer_blocks_[1-9]", name) for name in names):
        return "sdxl"
    if any(name.endswith("add_embedding.linear_1.weight") for name in names):
        return "sdxl"
    if any(_TRANSFORMER.search(name) for name in names):
        return _by_width(names)
    return None


_TRANSFORMER = re.compile(r"joint_blocks\.|controlnet_blocks")
#: How wide the diffusion transformers are that control networks and image prompts exist for;
#: 1,536 is SD3 or SD3.5-medium.
_WIDTHS: Mapping[int, str] = {2432: "sd3.5-large", 3072: "flux"}
_FOLDS: Mapping[int, str] = {64: "sd1", 192: "sd1", 256: "sdxl", 768: "sdxl"}


def _unshuffled(names: Mapping[str, Tensor]) -> str | None:
    """T2I-Adapters fold 8×8 pixels into channels for SD1, 16×16 for SDXL, of a grey or colour
    picture."""
    for name, tensor in names.items():
        if name.endswith(("conv_in.weight", "body.0.in_conv.weight")) and len(tensor.shape) == 4:
            return _FOLDS.get(tensor.shape[1])
    return None


def _by_width(names: Mapping[str, Tensor]) -> str | None:
    for name, tensor in names.items():
        if name.endswith((".attn.to_q.weight", "attn.qkv.weight")) and len(tensor.shape) == 2:
            return _WIDTHS.get(tensor.shape[1])
    return None
