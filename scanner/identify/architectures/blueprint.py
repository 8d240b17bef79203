"""What an architecture is expected to hold: tensor names and shapes, without a prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

Shape = tuple[int, ...]
Named = Iterator[tuple[str, Shape]]


class Blueprint(NamedTuple):
    """``shapes`` must be there; ``optional`` may be; ``spare`` is there as a whole or not at all.
    ``alternatives`` are other shapes of the same tensors that loaders accept (an inpainting
    model's first convolution, a squeezed 1×1 one)."""

    shapes: Mapping[str, Shape]
    optional: Mapping[str, Shape] = {}
    spare: Mapping[str, Shape] = {}
    alternatives: Mapping[str, tuple[Shape, ...]] = {}

    def fits(self, name: str, shape: Shape) -> bool:
        """Whether the tensor ``name`` of this blueprint may have this shape."""
        for named in (self.shapes, self.optional, self.spare):
            if name in named:
                return shape == named[name] or shape in self.alternatives.get(name, ())
        return False


def affine(name: str, channels: int) -> Named:
    """A norm: weight and bias."""
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def linear(name: str, outputs: int, inputs: int, *, bias: bool = True) -> Named:
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def conv(name: str, outputs: int, inputs: int, kernel: int = 3, *, bias: bool = True) -> Named:
    yield f"{name}.weight", (outputs, inputs, kernel, kernel)
    if bias:
        yield f"{name}.bias", (outputs,)


def flattened(blueprint: Blueprint) -> Blueprint:
    """The same tensors as an EMA copy names them: LitEma takes the dots out."""
    return Blueprint(
        shapes={name.replace(".", ""): shape for name, shape in blueprint.shapes.items()},
        alternatives={
            name.replace(".", ""): shapes for name, shapes in blueprint.alternatives.items()
        },
    )
