"""The rows and what is unexplained add up to the size, always."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import ledger
from scanner.extents import Extent, Part
from scanner.identify import identify
from scanner.identify.anatomy import Anatomy
from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ARCHITECTURES
from scanner.limits import DEFAULT
from scanner.report import Format, HealthIssue, Identity, Ledger
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, TensorTable, contiguous_stride


def _shapes(name: str, layout: str, prefix: str) -> dict[str, tuple[int, ...]]:
    row = next(
        row for row, item in enumerate(ARCHITECTURES) if (item.name, item.layout) == (name, layout)
    )
    return {prefix + key: shape for key, shape in architectures.blueprint(row).shapes.items()}


def _account(
    parts: list[tuple[str, dict[str, tuple[int, ...]]]],
    *,
    header: int = 100,
    unclaimed: int = 0,
    health: tuple[HealthIssue, ...] = (),
) -> tuple[int, Ledger]:
    tensors: list[Tensor] = []
    extents = [Extent(0, header, Part.HEADER)]
    at = header
    for dtype, shapes in parts:
        for name, shape in shapes.items():
            tensor = Tensor(name, dtype, shape, contiguous_stride(shape),
                            Storage(name, 0, BytesSource(b"")))  # fmt: skip
            storage = Storage(name, tensor.nbytes, BytesSource(b""))
            tensors.append(Tensor(name, dtype, shape, tensor.stride, storage))
            extents.append(Extent(at, tensor.nbytes, Part.STORAGE, name))
            at += tensor.nbytes
    if unclaimed:
        extents.append(Extent(at, unclaimed, Part.UNCLAIMED))
        at += unclaimed
    table = TensorTable(tuple(tensors))
    identity = identify(table, format=Format.SAFETENSORS, limits=DEFAULT)
    return at, ledger.account(at, tuple(extents), Anatomy(table), identity, health)


_UNET = _shapes("sd1", "ldm-unet", "model.diffusion_model.")
_EMA = _shapes("sd1", "flat-unet", "model_ema.diffusion_model")
_VAE = _shapes("vae-4ch", "ldm-vae", "first_stage_model.")
_CLIP = _shapes("clip-l", "clip", "cond_stage_model.transformer.text_model.")


def test_the_sentence_of_a_half_pruned_file() -> None:
    parts = [("F16", _UNET), ("F32", _EMA), ("F16", _CLIP), ("F16", _VAE)]
    size, found = _account(parts, unclaimed=100_000)
    assert [(row.what, row.removable) for row in found.rows] == [
        ("UNet fp16", False), ("EMA fp32", True), ("CLIP fp16", False), ("VAE fp16", False),
        ("container overhead", False),
    ]  # fmt: skip
    assert found.removable == 4 * 859_520_964
    assert found.lossless_minimum == size - found.removable
    assert found.unexplained == 100_000
    assert found.summary == (
        "5.57 GB = UNet fp16 1.72 + EMA fp32 3.44 + CLIP fp16 0.25 + VAE fp16 0.17; 3.44 removable "
        "(of the two UNets either may stay; --prune keeps the EMA values); lossless minimum "
        "2.13 GB (1.99 GiB); unexplained 0.1 MB."
    )


def test_an_ema_copy_alone_is_the_model_and_stays() -> None:
    _, found = _account([("F32", _EMA), ("F32", _VAE), ("F32", _CLIP)])
    assert found.removable == 0


@pytest.mark.parametrize("issue", ["fp16-in-fp32", "bf16-in-fp32"])
def test_proven_halves_lower_the_minimum(issue: str) -> None:
    proof = HealthIssue(issue, "note", "", tuple(_UNET))
    size, found = _account([("F32", _UNET), ("F32", _EMA), ("F32", _VAE)], health=(proof,))
    assert found.lossless_minimum == size - found.removable - 2 * 859_520_964


def test_leftovers_of_training_have_their_own_rows() -> None:
    extra = {
        "optimizer_states.0.state.0.exp_avg": (100, 100),
        "first_stage_model.loss.logvar": (1,),
        "betas": (1000,),
        "junk": (10,),
    }
    _, found = _account([("F32", _VAE), ("F32", extra)])
    rows = {row.what: row for row in found.rows}
    assert rows["optimiser state fp32"].removable
    assert rows["loss and discriminator fp32"].removable
    assert rows["schedule buffers"].bytes == 4000
    assert rows["other tensors fp32"].bytes == 40


def test_unused_and_shared_storage_is_counted_once() -> None:
    storage = Storage("s", 1000, BytesSource(b""))
    tensors = (
        Tensor("a", "F32", (100,), (1,), storage), Tensor("b", "F32", (100,), (1,), storage),
        Tensor("c", "F32", (10,), (1,), storage, 100),
    )  # fmt: skip
    found = ledger.account(
        1000, (Extent(0, 1000, Part.STORAGE, "s"),), Anatomy(TensorTable(tensors)), Identity()
    )
    assert {row.what: row.bytes for row in found.rows} == {
        "other tensors fp32": 440, "storage that no tensor uses": 560,
    }  # fmt: skip


def test_a_storage_without_tensors_is_removable() -> None:
    found = ledger.account(50, (Extent(0, 50, Part.STORAGE, "s"),), None, Identity())
    assert [(row.bytes, row.removable) for row in found.rows] == [(50, True)]


def test_a_file_without_tensors_has_a_ledger() -> None:
    found = ledger.account(10, (Extent(0, 10, Part.PICKLE),), None, Identity())
    assert [(row.what, row.bytes) for row in found.rows] == [("pickle", 10)]
    assert ledger.account(10, (), None, Identity()).unexplained == 10


@given(
    st.lists(st.tuples(st.sampled_from(["F32", "F16"]), st.integers(0, 50), st.integers(0, 40)),
             min_size=1, max_size=8),
    st.integers(0, 500),
)  # fmt: skip
def test_a_packed_storage_is_shared_out_to_the_byte(
    held: list[tuple[str, int, int]], packed: int
) -> None:
    storage = Storage("s", 500, BytesSource(b""))
    tensors = tuple(
        Tensor(f"t{index}", dtype, (count,), (1,), storage, offset)
        for index, (dtype, count, offset) in enumerate(held)
    )
    extents = (Extent(0, packed, Part.STORAGE, "s"), Extent(packed, 7, Part.UNCLAIMED))
    found = ledger.account(packed + 7, extents, Anatomy(TensorTable(tensors)), Identity())
    assert sum(row.bytes for row in found.rows) + found.unexplained == packed + 7
    assert found.unexplained == 7
    assert all(row.bytes > 0 for row in found.rows)
