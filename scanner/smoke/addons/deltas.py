"""What an adapter adds to one layer, for every way in which released files write it down.

The formulas are those of kohya's trainer, LyCORIS and peft. Everything is computed in the type and
on the device of what is passed in; on the meta device nothing is computed, which is how ``fits``
checks the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch

#: The tensors of a layer by what they are: see ``names``.
Tensors = Mapping[str, torch.Tensor]

_LOW_RANK = frozenset({"down", "up"})
_HADAMARD = frozenset({"w1_a", "w1_b", "w2_a", "w2_b"})
#: The tensors whose first side is the rank.
_RANKED = ("down", "w1_b", "k1_b", "k2_b")


class Numbers(NamedTuple):
    """``factor`` is alpha over rank; ``by_input`` of an IA3, whether it scales the input."""

    factor: float = 1.0
    by_input: bool = False


def rank(tensors: Tensors) -> int | None:
    """None where there is nothing of the kind: two whole matrices, a difference."""
    return next((tensors[role].shape[0] for role in _RANKED if role in tensors), None)


def numbers(tensors: Tensors, alpha: float | None = None) -> Numbers:
    """``alpha`` is what the file says beside the tensors.
    ``RuntimeError`` where a number is none."""
    factor = tensors["scalar"].item() if "scalar" in tensors else 1.0
    if "alpha" in tensors:
        alpha = tensors["alpha"].item()
    if "scale" in tensors:
        factor *= tensors["scale"].item()
    elif alpha is not None and (among := rank(tensors)):
        factor *= alpha / among
    by_input = "on_input" in tensors and bool(tensors["on_input"].item())
    return Numbers(float(factor), by_input)


def weight(tensors: Tensors, original: torch.Tensor, given: Numbers) -> torch.Tensor | None:
    """ΔW at full strength; None where the weight is left alone. ``RuntimeError`` where the shapes
    do not make a weight of the original's."""
    change = _change(tensors, original, given)
    if change is None:
        return None
    change = change.reshape(original.shape) * given.factor
    if tensors.keys() & {"dora", "magnitude"}:
        return _decomposed(tensors, original + change) - original
    return change


def bias(tensors: Tensors, original: torch.Tensor | None) -> torch.Tensor | None:
    """What is added to the bias; ``RuntimeError`` where there is none to add to."""
    if "bias" not in tensors:
        return None
    if original is None:
        raise RuntimeError("the layer has no bias")
    return tensors["bias"].reshape(original.shape)


def fits(tensors: Tensors, original: torch.Tensor, shift: torch.Tensor | None) -> bool:
    """Whether the tensors make a change to a layer with this weight and this bias."""
    held = {role: tensor.to("meta") for role, tensor in tensors.items()}
    try:
        given = numbers(tensors)
        changes = (
            weight(held, original.to("meta"), given),
            bias(held, None if shift is None else shift.to("meta")),
        )
    except (RuntimeError, IndexError, ZeroDivisionError):
        return False
    return any(change is not None for change in changes)


def _change(tensors: Tensors, original: torch.Tensor, given: Numbers) -> torch.Tensor | None:
    if tensors.keys() >= _LOW_RANK:
        down, up = tensors["down"].flatten(1), tensors["up"].flatten(1)
        return _tucker(tensors["mid"], up.T, down) if "mid" in tensors else up @ down
    if tensors.keys() >= _HADAMARD:
        first = _product(tensors, "w1_a", "w1_b", "t1")
        return first * _product(tensors, "w2_a", "w2_b", "t2")
    if tensors.keys() & {"k1", "k1_a"}:
        return _kronecker(tensors, original)
    if "ia3" in tensors:
        side = 1 if given.by_input else 0
        return original * _along(side, tensors["ia3"], original)
    return tensors.get("diff")


def _tucker(core: torch.Tensor, out: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    """A convolution from its core and the factors of its two channel sides."""
    return torch.einsum("ij...,ip,jr->pr...", core, out, into)


def _product(tensors: Tensors, first: str, second: str, core: str) -> torch.Tensor:
    if core in tensors:
        return _tucker(tensors[core], tensors[first], tensors[second])
    return tensors[first] @ tensors[second].flatten(1)


def _kronecker(tensors: Tensors, original: torch.Tensor) -> torch.Tensor:
    """Each side of either factor may be whole or a product itself."""
    left = tensors["k1"] if "k1" in tensors else _whole(tensors, "k1")
    right = tensors["k2"] if "k2" in tensors else _whole(tensors, "k2")
    out, into, *kernel = original.shape
    right = right.reshape(out // left.shape[0], into // left.shape[1], *kernel)
    # Kronecker's product wants plain strides, which a Tucker product has not.
    return torch.kron(left.reshape(*left.shape[:2], *(1 for _ in kernel)), right.contiguous())


def _whole(tensors: Tensors, side: str) -> torch.Tensor:
    first, second = f"{side}_a", f"{side}_b"
    if not tensors.keys() >= {first, second}:
        raise RuntimeError("a factor is missing")
    return _product(tensors, first, second, "kt" if side == "k2" else "")


def _decomposed(tensors: Tensors, merged: torch.Tensor) -> torch.Tensor:
    """DoRA: the merged weight's direction with a length that was learnt, for each output or, as
    LyCORIS had it first, for each input."""
    # peft's is for the outputs, in whatever shape; LyCORIS's shape says which.
    length = tensors["magnitude"] if "magnitude" in tensors else tensors["dora"]
    side = 0 if "magnitude" in tensors or length.shape[0] == merged.shape[0] else 1
    others = [axis for axis in range(merged.dim()) if axis != side]
    held = torch.linalg.vector_norm(merged, dim=others, keepdim=True)
    held = held.clamp_min(torch.finfo(merged.dtype).tiny)
    return merged * (_along(side, length, merged) / held)


def _along(side: int, values: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
    """A vector that multiplies one side of a weight."""
    return values.reshape([-1 if axis == side else 1 for axis in range(shape.dim())]).expand_as(
        shape
    )
