"""Whole models in the layouts of SD1, SD2 and SDXL, as narrow as they can be: every layer is there,
with a tenth of its width. diffusers loads them by a configuration of the same width."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.smoke.bases import BASES

Narrow = Callable[[int], int]


def _a_tenth(context: int, narrow: int) -> Narrow:
    # SDXL is told the pooled text and six numbers of eight sines each.
    special = {context: narrow, 2816: 128 + 6 * 8}
    return lambda width: special.get(width, width // 10 if width % 320 == 0 else width)


def _a_quarter(width: int) -> int:
    return width // 4 if width % 128 == 0 else width


def _to(narrow: int, hidden: int) -> Narrow:
    multiples = {times * hidden: times * narrow for times in (1, 3, 4)}
    return lambda width: multiples.get(width, width)


class Part(NamedTuple):
    """A component of a checkpoint: its architecture and layout, what its names begin with, what
    becomes of its widths, and the folder of its configuration."""

    name: str
    layout: str
    prefix: str
    narrow: Narrow
    folder: str


_VAE = Part("vae-4ch", "ldm-vae", "first_stage_model.", _a_quarter, "vae")
_UNET = "model.diffusion_model."
#: diffusers tells SDXL's two encoders apart by their widths.
LAYOUTS = {
    "sd1": (
        Part("sd1", "ldm-unet", _UNET, _a_tenth(768, 64), "unet"),
        Part("clip-l", "clip", "cond_stage_model.transformer.text_model.", _to(64, 768),
             "text_encoder"),
        _VAE,
    ),
    "sd2": (
        Part("sd2", "ldm-unet", _UNET, _a_tenth(1024, 64), "unet"),
        Part("openclip-h", "open-clip", "cond_stage_model.model.", _to(64, 1024), "text_encoder"),
        _VAE,
    ),
    "sdxl": (
        Part("sdxl", "ldm-unet", _UNET, _a_tenth(2048, 192), "unet"),
        Part("clip-l", "clip", "conditioner.embedders.0.transformer.text_model.", _to(64, 768),
             "text_encoder"),
        Part("openclip-g", "open-clip", "conditioner.embedders.1.model.", _to(128, 1280),
             "text_encoder_2"),
        _VAE,
    ),
}  # fmt: skip
#: What a configuration has that follows from no width.
_CHANGED: dict[str, dict[str, dict[str, object]]] = {
    "sd1": {"unet": {"attention_head_dim": 4}},
    "sd2": {"unet": {"attention_head_dim": [2, 4, 8, 8]}},
    "sdxl": {"unet": {"attention_head_dim": [2, 4, 8], "addition_time_embed_dim": 8}},
}
_WIDTHS = (
    "block_out_channels", "cross_attention_dim", "projection_class_embeddings_input_dim",
    "hidden_size", "intermediate_size", "projection_dim",
)  # fmt: skip


def checkpoint(base: str) -> dict[str, torch.Tensor]:
    """Random values that keep activations near one."""
    return {name: _value(name, shape) for name, shape in _shapes(base)}


def _shapes(base: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in LAYOUTS[base]:
        [row] = [row for row in architectures.rows_of(part.layout)
                 if ARCHITECTURES[row].name == part.name]  # fmt: skip
        for name, shape in architectures.blueprint(row).shapes.items():
            yield part.prefix + name, tuple(part.narrow(width) for width in shape)


def _value(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if len(shape) < 2:
        return torch.full(shape, 1.0 if name.endswith("weight") else 0.0)
    random = np.random.default_rng(zlib.crc32(name.encode()))
    spread = 0.02 if "embedding" in name else float(np.prod(shape[1:])) ** -0.5
    return torch.from_numpy(random.standard_normal(shape, np.float32) * np.float32(spread))


def configured(base: str, folder: Path, *, narrow: bool = True) -> Path:
    """The folder that diffusers wants beside a single file: configurations and tokenizers."""
    from scanner.smoke import loading

    for part in LAYOUTS[base]:
        config = json.loads((BASES[base].folder / part.folder / "config.json").read_text())
        if narrow:
            config |= _narrower(base, part, config)
        (folder / part.folder).mkdir(parents=True)
        (folder / part.folder / "config.json").write_text(json.dumps(config))
    scheduler = json.loads((BASES[base].folder / "scheduler/scheduler_config.json").read_text())
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionXLPipeline" if base == "sdxl" else "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
    }  # fmt: skip
    if base == "sdxl":
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
    else:
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    for tokens in BASES[base].tokenizers:
        loading._tokenizer(tokens.pad).save_pretrained(folder / tokens.part)
        index[tokens.part] = ["transformers", "CLIPTokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _narrower(base: str, part: Part, config: dict[str, Any]) -> dict[str, Any]:
    changed = {key: _narrowed(config[key], part.narrow) for key in config.keys() & set(_WIDTHS)}
    heads = {"num_attention_heads": 4} if "hidden_size" in config else {}
    return {**changed, **heads, **_CHANGED[base].get(part.folder, {})}


def _narrowed(width: object, narrow: Narrow) -> object:
    if isinstance(width, list):
        return [narrow(one) for one in width]
    return narrow(width) if isinstance(width, int) else width


def picture(file: Path, config: Path, *, side: int = 64, steps: int = 2) -> bytes:
    """What ``from_single_file`` draws with a fixed seed: raw floats."""
    import diffusers

    kind = json.loads((config / "model_index.json").read_text())["_class_name"]
    more = {"add_watermarker": False} if "XL" in kind else {"safety_checker": None}
    pipeline = getattr(diffusers, kind).from_single_file(
        str(file), config=str(config), local_files_only=True, **more
    )
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(
        "a lighthouse at dusk", height=side, width=side, num_inference_steps=steps,
        output_type="np", generator=torch.Generator().manual_seed(7),
    ).images  # fmt: skip
    assert np.isfinite(drawn).all()
    assert drawn.std() > 0.01
    return bytes(drawn.tobytes())
