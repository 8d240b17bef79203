"""Which layer of the base model an adapter's tensor belongs to.

Trainers name layers after diffusers' modules or after the original code's, with dots or with
underscores. Underscores cannot be read back, so the base's own modules are listed under every name
that they go by, and a tensor's name is looked up among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch

from scanner.identify.adapters import ENDINGS, placed

#: The identifier's roles that a change of weights is worked out from.
_USED = frozenset({
    "down", "up", "mid", "w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2", "k1", "k1_a", "k1_b",
    "k2", "k2_a", "k2_b", "kt", "diff", "dora", "alpha", "on_input",
})  # fmt: skip
#: What the identifier need not tell apart, or does not look at.
_FINER: Mapping[str, str] = {
    ".w_norm": "diff", ".b_norm": "bias", ".diff_b": "bias", ".scale": "scale", ".scalar": "scalar",
    ".lora_magnitude_vector": "magnitude", ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
}  # fmt: skip
#: A core for the first factor, which nobody writes: it is not to pass for the second's.
_UNKNOWN = ".lokr_t1"
_ROLES: Mapping[str, str] = {
    **{ending: role for ending, role in ENDINGS if role in _USED and ending != _UNKNOWN},
    **_FINER,
}
_BY_LENGTH = sorted(_ROLES, key=len, reverse=True)
#: Wrappers between an encoder's name and its layers, and between a layer and its weights.
_WRAPPERS = ("base_model_model_", "model_diffusion_model_", "diffusion_model_", "transformer_")
_PROCESSOR = "_processor_"


class Layer(NamedTuple):
    """The tensors of one adapted layer by what they are, and their names in the file."""

    name: str
    tensors: Mapping[str, torch.Tensor]
    keys: tuple[str, ...]


class Place(NamedTuple):
    """A layer of the base: ``part`` of the pipeline, ``path`` within it."""

    part: str
    path: str
    weight: torch.nn.Parameter
    bias: torch.nn.Parameter | None


Places = Mapping[tuple[str, str], Place]


def layers(state: Mapping[str, torch.Tensor]) -> tuple[list[Layer], tuple[str, ...]]:
    """The adapted layers, and the names that say nothing to us."""
    found: dict[str, dict[str, tuple[str, torch.Tensor]]] = {}
    strange: list[str] = []
    scaled = {
        name.removesuffix("on_input") + "weight" for name in state if name.endswith(".on_input")
    }
    for name, tensor in state.items():
        ending = next((item for item in _BY_LENGTH if name.endswith(item)), None)
        if ending is not None:
            found.setdefault(name.removesuffix(ending), {})[_ROLES[ending]] = (name, tensor)
        elif name in scaled:
            found.setdefault(name.removesuffix(".weight"), {})["ia3"] = (name, tensor)
        else:
            strange.append(name)
    made = [
        Layer(
            name,
            {role: tensor for role, (_, tensor) in held.items()},
            tuple(key for key, _ in held.values()),
        )
        for name, held in found.items()
    ]
    return made, tuple(strange)


def find(name: str, places: Places) -> Place | None:
    """The base's layer that an adapted layer of this name is made for."""
    part, path = placed(name)
    path = path.replace(_PROCESSOR, "_")
    while (place := places.get((part, path))) is None:
        wrapper = next((item for item in _WRAPPERS if path.startswith(item)), None)
        if wrapper is None:
            return None
        path = path.removeprefix(wrapper)
    return place


def places(parts: Mapping[str, torch.nn.Module]) -> Places:
    """Every layer with weights, under each name that adapters have for it."""
    listed: dict[tuple[str, str], Place] = {}
    for part, root in parts.items():
        for path, module in root.named_modules():
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if not isinstance(weight, torch.nn.Parameter):
                continue
            place = Place(
                part, path, weight, bias if isinstance(bias, torch.nn.Parameter) else None
            )
            for name in _names(part, path, root):
                listed.setdefault((part, name.replace(".", "_")), place)
    return listed


def _names(part: str, path: str, root: torch.nn.Module) -> Iterator[str]:
    yield path
    if part.startswith("text_encoder"):
        # transformers has had, and dropped, a module of this name around the encoder.
        yield path.removeprefix("text_model.")
        yield f"text_model.{path}"
        return
    # diffusers' first adapters called the output projection by its list.
    yield path.removesuffix(".0")
    yield from ldm(path, root.config.layers_per_block)


#: Within a block: diffusers' name and that of the original code.
_RESNET: Mapping[str, str] = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTSIDE: Mapping[str, str] = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_BLOCK = re.compile(
    r"(?P<way>down|up|mid)_blocks?\.((?P<block>\d+)\.)?"
    r"(?P<kind>resnets|attentions|downsamplers|upsamplers)\.(?P<layer>\d+)\.(?P<rest>.+)"
)


def ldm(path: str, depth: int) -> Iterator[str]:
    """What the original code calls one of diffusers' UNet layers, with ``depth`` layers a block
    on the way down."""
    if path in _OUTSIDE:
        yield _OUTSIDE[path]
    match = _BLOCK.fullmatch(path)
    if match is None:
        return
    kind, layer = match["kind"], int(match["layer"])
    rest = _RESNET.get(match["rest"], match["rest"])
    block = int(match["block"] or 0) * (depth + 1)
    if match["way"] == "mid":
        yield f"middle_block.{2 * layer if kind == 'resnets' else 1}.{rest}"
    elif kind == "downsamplers":
        yield f"input_blocks.{block + depth + 1}.0.op"
    elif kind == "upsamplers":
        # It stands behind the attention, where the block has one.
        yield from (f"output_blocks.{block + depth}.{column}.conv" for column in (1, 2))
    else:
        down = match["way"] == "down"
        row = f"input_blocks.{block + layer + 1}" if down else f"output_blocks.{block + layer}"
        yield f"{row}.{0 if kind == 'resnets' else 1}.{rest}"
