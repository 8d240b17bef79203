"""Facts beside the tensors that are worth keeping: they become string metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from scanner.tensors import Leaf

#: By the last key on a leaf's way, outside of optimisers and the like.
KEPT = frozenset({
    "global_step", "epoch", "step", "name", "sd_checkpoint", "sd_checkpoint_name",
    "layer_structure", "activation_func", "is_layer_norm", "weight_initialization", "use_dropout",
    "activate_output", "last_layer_dropout", "dropout_structure", "optional_info",
    "pytorch-lightning_version", "state_dict_version", "notes", "author", "description",
})  # fmt: skip
_DEPTH = 2
_LONGEST = 4_096


def as_metadata(leaves: Iterable[Leaf]) -> dict[str, str]:
    """Plain values under known keys, as strings; lists as JSON. The first of a name wins."""
    found: dict[str, str] = {}
    for leaf in leaves:
        if not leaf.path or len(leaf.path) > _DEPTH:
            continue
        key = str(leaf.path[-1])
        text = _text(leaf.value)
        if key in KEPT and text is not None:
            found.setdefault(key, text)
    return found


def _text(value: object) -> str | None:
    if value is None or isinstance(value, bytes):
        return None
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        return None
    return text if len(text) <= _LONGEST else None


def lost(leaves: Iterable[Leaf]) -> Iterator[Leaf]:
    """Those that ``as_metadata`` does not take. None says nothing, so nothing is lost with it."""
    return (leaf for leaf in leaves if leaf.type != "NoneType" and not as_metadata([leaf]))
