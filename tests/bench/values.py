"""Files of a known architecture with random values, without torch: as large as the real ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from scanner.identify.architectures.blueprint import Shape
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.writer import Array


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
