"""A whole Stable Diffusion in small, which draws coloured shapes: "a red circle".

SD1's layout with a UNet of 3 million weights, trained by ``python -m
scanner.smoke.miniature.training`` on pictures that we draw. It is the model of the smoke test's
tests and of its self-test, and what a newcomer's catalogue begins with. ``python -m
scanner.smoke.miniature DIR`` writes it as files of every kind. Neither needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner import convert
from scanner.convert import Options, Precision
from scanner.smoke.miniature.parts import Values, last_unet, part, text_encoder
from scanner.writer import Array, Tree, write_torch_zip

__all__ = ["LORA_FACTS", "PICKLES", "TRIGGER", "WORD", "files"]

UNET, VAE = "model.diffusion_model.", "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."
#: The word that the LoRA listens to, and the one that the embedding is (its file's name).
TRIGGER, WORD = "blueprint", "mini-embedding"
RANK = 4
LORA_FACTS = {
    "ss_base_model_version": "sd_v1",
    "ss_network_module": "networks.lora",
    "ss_network_dim": str(RANK),
    "ss_network_alpha": str(RANK),
    "ss_output_name": "mini-lora",
    "ss_tag_frequency": f'{{"shapes": {{"{TRIGGER}": 2080}}}}',
    "modelspec.trigger_phrase": TRIGGER,
}
_STEPS = 1000
_DTYPES = {"float16": "F16", "float32": "F32", "int64": "I64", "uint8": "U8"}

State = dict[str | int, Tree]


def _array(values: NDArray[np.generic]) -> Array:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return Array.of_bytes(_DTYPES[values.dtype.name], values.shape, little.tobytes())


def _named(prefix: str, values: Values) -> State:
    return {prefix + name: _array(value) for name, value in values.items()}


def _checkpoint(unet: Values) -> State:
    state = _named(UNET, unet) | _named(VAE, part("vae")) | _named(TEXT, text_encoder())
    places = np.arange(77, dtype=np.int64)[np.newaxis]
    # Stable Diffusion's noise schedule: linear in the square root.
    betas = np.linspace(sqrt(0.00085), sqrt(0.012), _STEPS, dtype=np.float64) ** 2
    state[TEXT + "embeddings.position_ids"] = _array(places)
    state["betas"] = _array(betas.astype(np.float32))
    state["alphas_cumprod"] = _array(np.cumprod(1 - betas).astype(np.float32))
    return state


def _mini() -> State:
    return {"state_dict": _checkpoint(part("unet")), "global_step": 3400, "epoch": 1}


def _bloated() -> State:
    """As a trainer leaves it: the last weights beside their average, all in fp32, and an
    optimiser's memory."""
    average = part("unet")
    wide = last_unet()
    ema: State = {}
    moments: State = {}
    for index, (name, value) in enumerate(average.items()):
        # The trainer keeps the averages as buffers, whose names may have no dots.
        flat = (UNET.removeprefix("model.") + name).replace(".", "")
        ema["model_ema." + flat] = _array(value.astype(np.float32))
        if index < 100:
            moment = (wide[name].astype(np.float32) - value.astype(np.float32)) * np.float32(0.01)
            moments[index] = {"step": 3400, "exp_avg": _array(moment)}
    ema["model_ema.decay"] = _array(np.array(0.998, dtype=np.float32))
    ema["model_ema.num_updates"] = _array(np.array(3400, dtype=np.int64))
    loss: State = {VAE + "loss.logvar": _array(np.zeros((), np.float32))}
    groups: list[Tree] = [{"lr": 1e-3, "betas": (0.9, 0.99), "params": [*range(len(moments))]}]
    return {
        "epoch": 1,
        "global_step": 3400,
        "pytorch-lightning_version": "1.9.5",
        "state_dict": {**_checkpoint(wide), **ema, **loss},
        "optimizer_states": [{"state": moments, "param_groups": groups}],
        "lr_schedulers": [{"last_epoch": 1, "base_lrs": [1e-3]}],
    }


def _embedding() -> State:
    """A textual inversion as WebUI saves it."""
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": _array(part("embedding")["vectors"].astype(np.float32))},
        "name": WORD,
        "step": 100,
        "sd_checkpoint": None,
        "sd_checkpoint_name": "mini",
    }


def _vae() -> State:
    state = _named("", part("vae"))
    state["loss.logvar"] = _array(np.zeros((), np.float32))
    return {"state_dict": state}


def _hypernetwork() -> State:
    """WebUI's form: for each width of the UNet, a net before the keys and one before the values."""
    nets: dict[int, list[State]] = {}
    for name, value in sorted(part("hypernetwork").items()):
        width, which, inner = name.split(".", 2)
        pair = nets.setdefault(int(width), [{}, {}])
        pair[int(which)][inner] = _array(value.astype(np.float32))
    tree: State = {width: (pair[0], pair[1]) for width, pair in nets.items()}
    return {
        **tree,
        "step": 200,
        "name": "mini-hypernetwork",
        "layer_structure": [1, 2, 1],
        "activation_func": "linear",
        "is_layer_norm": False,
        "weight_initialization": "Normal",
        "use_dropout": False,
        "activate_output": True,
        "sd_checkpoint": None,
        "sd_checkpoint_name": "mini",
    }


PICKLES: Mapping[str, Callable[[], State]] = {
    "mini.ckpt": _mini,
    "mini-ema.ckpt": _bloated,
    "mini-embedding.pt": _embedding,
    "mini.vae.pt": _vae,
    "mini-hypernetwork.pt": _hypernetwork,
}


def files(folder: Path) -> dict[str, Path]:
    """Write the miniature as files of every kind into ``folder``, replacing what is there by the
    same name: name → path."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {name: folder / name for name in (*PICKLES, "mini.safetensors", "mini-lora.safetensors")}
    for name, build in PICKLES.items():
        made[name].unlink(missing_ok=True)
        write_torch_zip(made[name], build())
    # Our own converter: the sample is what an upload of the .ckpt would become.
    convert.to_file(made["mini.ckpt"], made["mini.safetensors"], Options(precision=Precision.FP16))
    # The safetensors library would shuffle the metadata.
    pickled = folder / "mini-lora.pt"
    pickled.unlink(missing_ok=True)
    write_torch_zip(pickled, _named("", part("lora")))
    convert.to_file(pickled, made["mini-lora.safetensors"], Options(metadata=LORA_FACTS))
    pickled.unlink()
    return made
