"""A made-up file of a kind that exists: names and shapes as its writers spell them, cut short to
the blocks that matter. The facts are those of the published models and trainers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES

Shape = tuple[int, ...]
Shapes = dict[str, Shape]


@dataclass(frozen=True, slots=True)
class Specimen:
    """``base`` None means that the keys leave it open: then ``candidates`` must hold these."""

    name: str
    kind: str
    base: str | None
    shapes: Mapping[str, Shape]
    variant: str | None = None
    candidates: tuple[str, ...] = ()
    algorithm: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)


def architecture(name: str, layout: str, prefix: str = "") -> Shapes:
    """The tensors of a described architecture, all that may be there."""
    row = next(
        row for row, item in enumerate(ARCHITECTURES) if (item.name, item.layout) == (name, layout)
    )
    blueprint = architectures.blueprint(row)
    return {prefix + key: shape for key, shape in (blueprint.shapes | blueprint.spare).items()}


def under(prefix: str, shapes: Mapping[str, Shape]) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def grid(counts: Iterable[int], shapes: Mapping[str, Shape]) -> Shapes:
    """``{}`` of each name counted through."""
    return {name.format(index): shape for index in counts for name, shape in shapes.items()}
