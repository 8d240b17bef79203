"""Files of kinds that exist, as their writers spell them: kind and base right for every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import pytest

from scanner.report import Identity, State
from scanner.tensors import Tensor, TensorTable
from tests.scanner.identify.specimens import adapters, models, small
from tests.scanner.identify.specimens.specimen import Specimen

Known = Callable[..., Identity]
Make = Callable[..., Tensor]


def _table(specimen: Specimen, make_tensor: Make) -> TensorTable:
    return TensorTable(tuple(_tensors(specimen, make_tensor)), dict(specimen.metadata))


def _tensors(specimen: Specimen, make_tensor: Make) -> Iterator[Tensor]:
    for name, shape in specimen.shapes.items():
        dtype = specimen.dtypes.get(name, "F16")
        tensor = make_tensor(name, shape, dtype)
        # Quantised blocks of 32 numbers with a scale.
        packed = prod(shape) * 34 // 32 if dtype == "Q8_0" else None
        yield Tensor(tensor.name, dtype, shape, tensor.stride, tensor.storage, packed_bytes=packed)


def _wrong(specimen: Specimen, found: Identity) -> list[str]:
    """What the identity gets wrong, in words."""
    expected = {"kind": (found.kind, specimen.kind), "base": (found.base, specimen.base)}
    if specimen.variant is not None:
        expected["variant"] = found.variant, specimen.variant
    if specimen.algorithm is not None:
        algorithm = found.adapter.algorithm if found.adapter else None
        expected["algorithm"] = algorithm, specimen.algorithm
    wrong = [f"{word} is {got!r}" for word, (got, wanted) in expected.items() if got != wanted]
    remaining = {*found.candidates, found.base}
    wrong += [f"{word} is no candidate" for word in specimen.candidates if word not in remaining]
    return wrong + list(found.conflicts)


@pytest.mark.parametrize("group", [models, adapters, small], ids=lambda item: item.__name__[-8:])
def test_every_specimen_is_known(group: object, known_as: Known, make_tensor: Make) -> None:
    wrong = {
        specimen.name: said
        for specimen in group.all()  # type: ignore[attr-defined]
        if (said := _wrong(specimen, known_as(_table(specimen, make_tensor))))
    }
    assert wrong == {}


def test_quantised_weights_are_neither_missing_nor_misshapen(
    known_as: Known, make_tensor: Make
) -> None:
    seen = 0
    for specimen in models.all():
        if not specimen.dtypes or specimen.name == "flux-nunchaku":
            continue
        seen += 1
        part = known_as(_table(specimen, make_tensor)).components["unet"]
        assert (part.state, part.missing, part.misshapen) == (State.WHOLE, (), ()), specimen.name
    assert seen >= 6
