"""A hypernetwork back from safetensors to the tree that WebUI and ComfyUI read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from scanner.errors import FileError
from scanner.writer.arrays import Array, Tree

#: Metadata that a loader expects with its own type.
_TYPED = (
    "layer_structure", "is_layer_norm", "use_dropout", "activate_output", "step",
    "last_layer_dropout", "dropout_structure",
)  # fmt: skip
_TEXT = (
    "name", "activation_func", "weight_initialization", "sd_checkpoint", "sd_checkpoint_name",
    "optional_info",
)  # fmt: skip


def hypernetwork_tree(
    arrays: Mapping[str, Array], metadata: Mapping[str, str]
) -> dict[str | int, Tree]:
    """``{dim: ({key: array}, {key: array}), "name": …}`` from arrays named ``{dim}.{0|1}.{key}``.
    ``FileError("writer.hypernetwork")`` when they are named otherwise."""
    nets: dict[int, tuple[dict[str | int, Tree], dict[str | int, Tree]]] = {}
    for name, array in arrays.items():
        dim, _, rest = name.partition(".")
        which, _, key = rest.partition(".")
        if not dim.isdecimal() or which not in ("0", "1") or not key:
            raise FileError("writer.hypernetwork", f"{name} is no hypernetwork's tensor")
        nets.setdefault(int(dim), ({}, {}))[int(which)][key] = array
    tree: dict[str | int, Tree] = {dim: nets[dim] for dim in sorted(nets)}
    return {**tree, **_described(metadata)}


def _described(metadata: Mapping[str, str]) -> dict[str | int, Tree]:
    facts: dict[str | int, Tree] = {key: metadata[key] for key in _TEXT if key in metadata}
    for key in _TYPED:
        try:
            facts[key] = json.loads(metadata[key])
        except (KeyError, ValueError, RecursionError):
            continue
    return facts
