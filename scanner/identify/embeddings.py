"""Textual inversions and hypernetworks: small files whose names say what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from scanner.identify.small import CONTEXTS
from scanner.report import Embedding, Hypernetwork
from scanner.tensors import Tensor, TensorTable

#: An embedding file holds one tensor an encoder, or one a token.
_MOST_TENSORS = 256

#: Names of the vectors by the encoder that they are for.
_ENCODERS: Mapping[str, str] = {
    "clip_l": "clip_l", "clip_g": "clip_g", "t5xxl": "t5xxl", "text_encoders_0": "clip_l",
    "text_encoders_1": "clip_g",
}  # fmt: skip
#: At least this share of the tensors must be what the file is.
_SHARE = 0.5
#: First words that belong to the names themselves.
_OWN = frozenset({"string_to_param", "320", "640", "768", "1024", "1280", "32", "64"})
_TOKEN = re.compile(r"<.+>|\*|emb_params|string_to_param\..+")
_LAYER = re.compile(r"(?P<dim>\d{2,4})(?:\.|\[)(?P<side>[01])\]?\.(?P<key>.+)")
_HYPER_DIMS = frozenset({320, 640, 768, 1024, 1280, 32, 64})


class Found(NamedTuple):
    base: str | None
    evidence: tuple[str, ...]
    embedding: Embedding | None = None
    hypernetwork: Hypernetwork | None = None


def _leaf(table: TensorTable, name: str) -> object:
    return next((leaf.value for leaf in table.leaves if leaf.path == (name,)), None)


# -- textual inversion ---------------------------------------------------------------------------


def embedding(table: TensorTable) -> Found | None:
    """A textual inversion, or None."""
    tensors = tuple(tensor for tensor in table if _is_vectors(tensor))
    if not 0 < len(table) <= _MOST_TENSORS or len(tensors) < _SHARE * len(table):
        return None
    inner = _unwrapped(table)
    named = {tensor.name[inner:]: tensor for tensor in tensors}
    encoders = {
        _encoder(name, tensor): tensor for name, tensor in named.items() if name in _ENCODERS
    }
    if encoders and len(encoders) >= _SHARE * len(table):
        return _several(table, encoders)
    told = {name: tensor for name, tensor in named.items() if _TOKEN.fullmatch(name)}
    if told and len(told) >= _SHARE * len(table):
        return _single(table, told)
    if len(tensors) < len(table):
        return None
    # diffusers names the one tensor after its token, brackets or not.
    lone = tensors[0]
    named_so = "." not in lone.name and lone.name not in ("weight", "bias")
    if len(tensors) == 1 and named_so and lone.shape[-1] in CONTEXTS:
        return _single(table, {lone.name: lone})
    return None


def _is_vectors(tensor: Tensor) -> bool:
    return 1 <= len(tensor.shape) <= 2 and tensor.shape[-1] > 0


def _unwrapped(table: TensorTable) -> int:
    """Length of the dotted prefix that every name has: a wrapper that somebody put around."""
    words = {tensor.name.partition(".")[0] for tensor in table if "." in tensor.name}
    word = words.pop() if len(words) == 1 else "<"
    whole = all(tensor.name.startswith(word + ".") for tensor in table)
    return len(word) + 1 if whole and word not in _OWN and not word.startswith("<") else 0


def _encoder(name: str, tensor: Tensor) -> str:
    """Trainers count the encoders: Flux's second is T5, SDXL's the larger CLIP."""
    return "t5xxl" if tensor.shape[-1] == 4096 else _ENCODERS[name]


def _vectors(tensor: Tensor) -> int:
    return tensor.shape[0] if len(tensor.shape) == 2 else 1


def _several(table: TensorTable, encoders: Mapping[str, Tensor]) -> Found:
    dims = {name: tensor.shape[-1] for name, tensor in encoders.items()}
    if "t5xxl" in dims:
        base: str | None = "sd3" if "clip_g" in dims else "flux" if "clip_l" in dims else None
    elif "clip_g" in dims:
        base = "sdxl"
    else:
        base = CONTEXTS.get(dims["clip_l"])
    vectors = max(_vectors(tensor) for tensor in encoders.values())
    tokens = _tokens(table, ())
    words = " and ".join(f"{name} ({dim})" for name, dim in dims.items())
    return Found(base, (f"vectors for {words}",), Embedding(vectors, tokens, dims))


def _single(table: TensorTable, told: Mapping[str, Tensor]) -> Found:
    tensors = tuple(told.values())
    width = tensors[0].shape[-1]
    base = CONTEXTS.get(width) if width in (768, 1024, 32) else None
    encoder = {768: "clip_l", 1280: "clip_g", 32: "clip_l", 1024: "openclip_h"}.get(
        width, "unknown"
    )
    if width == 1280:
        base = "sdxl"
    tokens = _tokens(table, tuple(told))
    vectors = sum(_vectors(tensor) for tensor in tensors)
    return Found(base, (f"vectors {width} wide",), Embedding(vectors, tokens, {encoder: width}))


def _tokens(table: TensorTable, names: tuple[str, ...]) -> tuple[str, ...]:
    """What the file calls its tokens: the keys of WebUI's dicts, or the tensor's own name."""
    tokens: dict[str, None] = {}
    for name in names:
        if name != "emb_params":
            tokens[name.removeprefix("string_to_param.")] = None
    for leaf in table.leaves:
        if len(leaf.path) == 2 and leaf.path[0] == "string_to_token":
            tokens[str(leaf.path[1])] = None
    return tuple(tokens)


# -- hypernetwork --------------------------------------------------------------------------------


def hypernetwork(table: TensorTable) -> Found | None:
    """A hypernetwork: for each width two modules, one before the keys and one before the values."""
    layers: dict[int, dict[str, Tensor]] = {}
    inner, counted = _unwrapped(table), 0
    for tensor in table:
        match = _LAYER.fullmatch(tensor.name, inner)
        if match is None or int(match["dim"]) not in _HYPER_DIMS:
            continue
        counted += 1
        if match["side"] == "0":
            layers.setdefault(int(match["dim"]), {})[match["key"]] = tensor
    if not layers or counted < _SHARE * len(table):
        return None
    base = next((CONTEXTS[dim] for dim in (1024, 768, 32) if dim in layers), None)
    dims = tuple(sorted(layers))
    activation = _leaf(table, "activation_func")
    return Found(
        base,
        (f"modules for widths {', '.join(map(str, dims))}",),
        hypernetwork=Hypernetwork(
            dims, _structure(table, layers), activation if isinstance(activation, str) else None
        ),
    )


def _structure(table: TensorTable, layers: Mapping[int, Mapping[str, Tensor]]) -> tuple[float, ...]:
    """Widths of the layers as multiples of the input, as the file says or its shapes do."""
    said = _leaf(table, "layer_structure")
    if isinstance(said, list) and said and all(isinstance(item, (int, float)) for item in said):
        return tuple(float(item) for item in said)
    dim, modules = next(iter(layers.items()))
    widths = [1.0]
    for key, tensor in modules.items():
        if key.endswith("weight") and len(tensor.shape) == 2:
            widths.append(tensor.shape[0] / dim)
    return tuple(widths)
