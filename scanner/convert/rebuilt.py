"""A torch file instead of safetensors, for tools that load nothing else.

Our own opcode writer makes it from the plan, in the layout that WebUI, ComfyUI and diffusers read:
plain values, tensors, and the few names that every loader allows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from scanner.convert import addons, writing
from scanner.convert.plan import Piece, Plan
from scanner.errors import Refused
from scanner.writer import DTYPES, Array, Tree, hypernetwork_tree, write_torch_zip

#: What WebUI writes for the word that an embedding stands for: any number will do.
_TOKEN_ID = 265


def write(
    plan: Plan, target: int, name: str, progress: writing.Progress | None = None
) -> tuple[Plan, tuple[str, ...]]:
    """As ``writing.write``, into a torch file. ``name`` is what an embedding is called where its
    own file does not say."""
    odd = sorted({piece.dtype for piece in plan.pieces} - DTYPES)
    if odd:
        raise Refused("convert.dtype", f"a torch file has no name for {', '.join(odd)}")

    def attempt(whole: Plan) -> None:
        size, done = writing.size_of(whole), 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(done, size)

        write_torch_zip(target, tree(whole, name, tell))
        # A file system that copies lazily may still fail here.
        os.fsync(target)

    return writing.fitting(plan, target, attempt)


def tree(plan: Plan, name: str, tell: Callable[[int], None] = lambda _: None) -> Tree:
    """What the file holds, laid out as the tools expect it of its kind."""
    arrays = {piece.name: _array(piece, tell) for piece in _in_order(plan.pieces)}
    state: dict[str | int, Tree] = {name: arrays[name] for name in arrays}
    if addons.is_hypernetwork(arrays):
        return {**hypernetwork_tree(arrays, plan.metadata), **_note(plan)}
    if arrays.keys() == {addons.EMB_PARAMS}:
        return {**_embedding(arrays[addons.EMB_PARAMS], plan.metadata, name), **_note(plan)}
    if arrays.keys() == set(addons.SDXL):
        # WebUI takes every value for vectors: no note fits in.
        return {key: arrays[key] for key in addons.SDXL}
    return {"state_dict": state, **_note(plan)}


def _in_order(pieces: Iterable[Piece]) -> list[Piece]:
    """By name, so that the same tensors make the same file."""
    return sorted(pieces, key=lambda piece: piece.name)


def _array(piece: Piece, tell: Callable[[int], None]) -> Array:
    def chunks() -> Iterator[bytes]:
        for data in writing.in_order(piece):
            tell(len(data))
            yield data

    return Array(piece.dtype, piece.shape, chunks)


def _embedding(vectors: Array, metadata: Mapping[str, str], name: str) -> dict[str | int, Tree]:
    step = metadata.get("step", "")
    return {
        "string_to_token": {addons.ANY: _TOKEN_ID},
        "string_to_param": {addons.ANY: vectors},
        "name": metadata.get("name") or metadata.get("trigger_token") or name,
        "step": int(step) if step.isdecimal() and len(step) < 18 else None,
        "sd_checkpoint": metadata.get("sd_checkpoint"),
        "sd_checkpoint_name": metadata.get("sd_checkpoint_name"),
    }


def _note(plan: Plan) -> dict[str | int, Tree]:
    """How the file came to be, where a safetensors file would have it."""
    return {"__metadata__": dict(sorted(plan.metadata.items()))}
