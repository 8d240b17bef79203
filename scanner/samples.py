"""Sample files of every kind, small enough to ship none: ``python -m scanner.samples DIR``.

Made without torch from the miniature architecture's blueprint. The values are random, scaled so
that a generation stays finite, and follow from the seed and each tensor's name alone.
"""

from __future__ import annotations

import argparse
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from math import prod, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scanner import convert
from scanner.convert import Options, Precision
from scanner.errors import ScannerError
from scanner.identify.architectures.blueprint import Shape
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.writer import Array, Tree, write_torch_zip
from scanner.writer.torch_zip import Archive

#: What the hostile sample would run if anything ever loaded it. It must not exist, ever.
MARKER = "/tmp/weighhouse-sample-was-run"

_UNET, _VAE, _TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."
_TEXT_MODEL = _TEXT + "transformer.text_model."
_WIDTH = 32  # of the miniature's text encoder
_STEPS = 1000
_RANK = 4

State = dict[str | int, Tree]


class Maker:
    """Makes values: each tensor's from the seed and its name, whatever the order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def normal(self, name: str, shape: Shape, scale: float, dtype: str = "F32") -> Array:
        """Normally distributed around nought."""

        def values() -> Iterator[bytes]:
            drawn = self._drawn(name, shape) * np.float32(scale)
            yield drawn.astype("<f2" if dtype == "F16" else "<f4").tobytes()

        return Array(dtype, shape, values)

    def _drawn(self, name: str, shape: Shape) -> NDArray[np.float32]:
        generator = np.random.default_rng((self._seed, zlib.crc32(name.encode())))
        return generator.standard_normal(prod(shape), dtype=np.float32)

    def weight(self, name: str, shape: Shape) -> Array:
        """What training would start from: norms pass on, biases add nothing, and a layer's output
        is about as large as its input."""
        if name.endswith("position_ids"):
            return whole_numbers(shape, range(prod(shape)))
        if len(shape) == 1:
            fill = 1.0 if name.endswith(".weight") else 0.0
            return floats(shape, np.full(shape, fill, dtype=np.float32))
        if "embedding.weight" in name:
            return self.normal(name, shape, 0.02)
        return self.normal(name, shape, 1 / sqrt(prod(shape[1:])))

    def nudged(self, name: str, shape: Shape) -> Array:
        """The same weight after a while of averaging: not quite the same."""

        def values() -> Iterator[bytes]:
            near = np.frombuffer(b"".join(self.weight(name, shape).chunks()), "<f4")
            moved = near + self._drawn("ema." + name, shape) * np.float32(0.001)
            yield moved.astype("<f4").tobytes()

        return Array("F32", shape, values)


def floats(shape: Shape, values: NDArray[np.float32]) -> Array:
    return Array.of_bytes("F32", shape, values.astype("<f4").tobytes())


def whole_numbers(shape: Shape, values: range) -> Array:
    return Array.of_bytes("I64", shape, struct.pack(f"<{len(values)}q", *values))


def shapes_of(name: str, layout: str) -> dict[str, Shape]:
    """Names and shapes of one component as the original files have them; what only distilled
    ones carry is left out."""
    for row in ARCHITECTURES:
        if (row.name, row.layout) == (name, layout):
            blueprint = row.build()
            buffers = {
                key: shape
                for key, shape in blueprint.optional.items()
                if key.endswith("position_ids")
            }
            return {**blueprint.shapes, **buffers}
    raise LookupError(f"no {name} in the layout {layout}")


def _unet() -> dict[str, Shape]:
    return shapes_of("sd1-mini", "ldm-unet")


def _checkpoint(maker: Maker) -> State:
    parts = (
        (_UNET, _unet()),
        (_VAE, shapes_of("vae-mini", "ldm-vae")),
        (_TEXT_MODEL, shapes_of("clip-mini", "clip")),
    )
    state: State = {
        prefix + name: maker.weight(prefix + name, shape)
        for prefix, shapes in parts
        for name, shape in shapes.items()
    }
    # Stable Diffusion's noise schedule: linear in the square root, as its configuration says.
    betas = np.linspace(sqrt(0.00085), sqrt(0.012), _STEPS, dtype=np.float64) ** 2
    state["betas"] = floats((_STEPS,), betas.astype(np.float32))
    state["alphas_cumprod"] = floats((_STEPS,), np.cumprod(1 - betas).astype(np.float32))
    return state


def mini(maker: Maker) -> State:
    return {"state_dict": _checkpoint(maker), "global_step": 1000, "epoch": 2}


def bloated(maker: Maker) -> State:
    """As a trainer leaves it: a second UNet, an optimiser's memory, a loss."""
    state = _checkpoint(maker)
    ema: State = {}
    moments: State = {}
    for index, (name, shape) in enumerate(_unet().items()):
        # The trainer keeps the averages as buffers, whose names may have no dots.
        flat = (_UNET.removeprefix("model.") + name).replace(".", "")
        ema["model_ema." + flat] = maker.nudged(_UNET + name, shape)
        if index < 100:
            average = maker.normal(f"exp_avg.{name}", shape, 1e-4)
            moments[index] = {"step": 1000, "exp_avg": average}
    ema["model_ema.decay"] = floats((), np.array(0.9999, dtype=np.float32))
    ema["model_ema.num_updates"] = whole_numbers((), range(1))
    loss: State = {_VAE + "loss.logvar": floats((), np.zeros((), dtype=np.float32))}
    groups: list[Tree] = [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [*range(len(moments))]}]
    return {
        "epoch": 2,
        "global_step": 1000,
        "pytorch-lightning_version": "1.9.5",
        "state_dict": {**state, **ema, **loss},
        "optimizer_states": [{"state": moments, "param_groups": groups}],
        "lr_schedulers": [{"last_epoch": 2, "base_lrs": [1e-4]}],
    }


def lora(maker: Maker) -> State:
    """Kohya's names: the diffusers layout with underscores for dots."""
    state: State = {}
    parts = (
        ("lora_unet_", shapes_of("sd1-mini", "diffusers-unet"), ".attn"),
        ("lora_te_text_model_", shapes_of("clip-mini", "clip"), ".self_attn."),
    )
    for prefix, shapes, mark in parts:
        for name, shape in shapes.items():
            if mark not in name or not name.endswith(".weight") or len(shape) != 2:
                continue
            module = prefix + name.removesuffix(".weight").replace(".", "_")
            down, up = (_RANK, shape[1]), (shape[0], _RANK)
            state[module + ".lora_down.weight"] = maker.normal(module + "down", down, 0.1, "F16")
            state[module + ".lora_up.weight"] = maker.normal(module + "up", up, 0.1, "F16")
            state[module + ".alpha"] = Array.of_bytes("F16", (), struct.pack("<e", _RANK))
    return state


def embedding(maker: Maker) -> State:
    """A textual inversion as WebUI saves it."""
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": maker.normal("embedding", (2, _WIDTH), 0.02)},
        "name": "mini-embedding",
        "step": 500,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
    }


def vae(maker: Maker) -> State:
    state: State = {
        name: maker.weight(_VAE + name, shape)
        for name, shape in shapes_of("vae-mini", "ldm-vae").items()
    }
    state["loss.logvar"] = floats((), np.zeros((), dtype=np.float32))
    return {"state_dict": state}


def hypernetwork(maker: Maker) -> State:
    """WebUI's form: for each width of the UNet, a net before the keys and one before the values."""
    tree: State = {}
    for dim in (_WIDTH, 2 * _WIDTH):
        tree[dim] = (_net(maker, dim, 0), _net(maker, dim, 1))
    return {
        **tree,
        "step": 500,
        "name": "mini-hypernetwork",
        "layer_structure": [1, 2, 1],
        "activation_func": "linear",
        "is_layer_norm": False,
        "weight_initialization": "Normal",
        "use_dropout": False,
        "activate_output": True,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
    }


def _net(maker: Maker, dim: int, which: int) -> State:
    net: State = {}
    for layer, (outputs, inputs) in enumerate(((2 * dim, dim), (dim, 2 * dim))):
        name = f"linear.{layer}"
        seed = f"{dim}.{which}.{name}"
        net[f"{name}.weight"] = maker.normal(seed, (outputs, inputs), 0.05)
        net[f"{name}.bias"] = floats((outputs,), np.zeros(outputs, dtype=np.float32))
    return net


def hostile(target: Path) -> None:
    """A checkpoint whose pickle would run a command before anything else. Written from opcodes:
    there is no object, here or later, that could run it."""
    command = f"touch {MARKER}".encode()
    pickle = b"\x80\x02cposix\nsystem\nX" + struct.pack("<I", len(command)) + command + b"\x85R0"
    pickle += b"}X\x0a\0\0\0state_dict}s."
    with target.open("xb") as file:
        archive = Archive(file.fileno())
        archive.add("archive/data.pkl", pickle)
        archive.add("archive/byteorder", b"little")
        archive.add("archive/version", b"3\n")
        archive.close()


PICKLES: dict[str, Callable[[Maker], State]] = {
    "mini.ckpt": mini,
    "mini-ema.ckpt": bloated,
    "mini-embedding.pt": embedding,
    "mini.vae.pt": vae,
    "mini-hypernetwork.pt": hypernetwork,
}
_LORA_FACTS = {
    "ss_network_module": "networks.lora",
    "ss_network_dim": str(_RANK),
    "ss_network_alpha": str(_RANK),
    "ss_output_name": "mini-lora",
}


def make(folder: Path, seed: int = 0) -> tuple[Path, ...]:
    """Write every sample into ``folder``, replacing what is there by the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker(seed)
    made = []
    for name, build in PICKLES.items():
        made.append(_fresh(folder / name))
        write_torch_zip(made[-1], build(maker))
    made.append(_fresh(folder / "hostile.ckpt"))
    hostile(made[-1])
    made.append(folder / "mini.safetensors")
    convert.to_file(folder / "mini.ckpt", made[-1], Options(precision=Precision.FP16))
    made.append(folder / "mini-lora.safetensors")
    pickled = _fresh(folder / "mini-lora.pt")
    write_torch_zip(pickled, lora(maker))
    convert.to_file(pickled, made[-1], Options(metadata=_LORA_FACTS))
    pickled.unlink()
    return tuple(made)


def _fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scanner.samples", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        for path in make(given.folder, given.seed):
            print(f"{path.stat().st_size:>12,}  {path}")
    except (ScannerError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
