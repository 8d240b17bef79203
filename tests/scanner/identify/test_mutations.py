"""Damaged, padded and disguised files: no exception, no other base, and small harm changes nothing.

Seeded by the file's name, so that a failure comes back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from scanner.report import Identity
from scanner.tensors import Tensor, TensorTable, contiguous_stride

Listing = Callable[[str], TensorTable]
Known = Callable[..., Identity]
Row = dict[str, str]
Mutation = Callable[[random.Random, Sequence[Tensor]], list[Tensor]]


def _as(tensor: Tensor, **changed: object) -> Tensor:
    held = {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape} | changed
    shape = held["shape"]
    assert isinstance(shape, tuple)
    name, dtype = str(held["name"]), str(held["dtype"])
    return Tensor(name, dtype, shape, contiguous_stride(shape), tensor.storage, path=(name,))


def _dropped(share: float) -> Mutation:
    return lambda chance, tensors: (
        [tensor for tensor in tensors if chance.random() > share] or list(tensors[:1])
    )


def _bent(share: float) -> Mutation:
    def bend(chance: random.Random, tensor: Tensor) -> Tensor:
        if not tensor.shape or chance.random() > share:
            return tensor
        return _as(tensor, shape=(tensor.shape[0] + 1, *tensor.shape[1:]))

    return lambda chance, tensors: [bend(chance, tensor) for tensor in tensors]


def _turned(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [
        _as(tensor, shape=tensor.shape[::-1]) if chance.random() < 0.02 else tensor
        for tensor in tensors
    ]


def _emptied(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [_as(tensor, shape=(0,)) if chance.random() < 0.02 else tensor for tensor in tensors]


def _oddly_named(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    odd = ("\u202e", "\n", "é", "\ud800", " ", "\x00")
    return [
        _as(tensor, name=tensor.name + chance.choice(odd)) if chance.random() < 0.03 else tensor
        for tensor in tensors
    ]


def _shuffled(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    return chance.sample(tensors, len(tensors))


def _cast(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    dtype = chance.choice(("F32", "BF16", "F64", "F8_E4M3"))
    return [_as(tensor, dtype=dtype) for tensor in tensors]


def _wrapped(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    prefix = chance.choice(("module.", "_orig_mod.", "state_dict.", "model.", "a.b."))
    return [_as(tensor, name=prefix + tensor.name) for tensor in tensors]


def _littered(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    ends = ("weight", "bias", "lora_up.weight", "alpha")
    junk = [
        _as(tensors[0], name=f"junk{index}.{chance.choice(ends)}", shape=(chance.randint(0, 64), 8))
        for index in range(max(1, len(tensors) // 20))
    ]
    return [*junk, *tensors]


def _in_training(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    state = [
        _as(tensor, name=f"optimizer_states.0.state.{index}.exp_avg")
        for index, tensor in enumerate(tensors[: len(tensors) // 2])
    ]
    return [*tensors, *state]


def _twice(chance: random.Random, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [*tensors, *(_as(tensor, name="copy." + tensor.name) for tensor in tensors)]


#: Harm that must leave the answer as it was.
_SLIGHT: Mapping[str, Mutation] = {
    "5 % dropped": _dropped(0.05), "2 % turned": _turned, "2 % bent": _bent(0.02),
    "2 % emptied": _emptied, "3 % oddly named": _oddly_named, "shuffled": _shuffled,
    "cast": _cast, "junk": _littered, "training state": _in_training, "twice": _twice,
}  # fmt: skip
#: Harm after which it may be left open, but never another.
_GRAVE: Mapping[str, Mutation] = {
    "20 % dropped": _dropped(0.2), "half dropped": _dropped(0.5), "half bent": _bent(0.5),
    "wrapped": _wrapped,
}  # fmt: skip
#: A few lines of text that are no description of any of the files.
_LIES: tuple[Mapping[str, str], ...] = (
    {"modelspec.architecture": "stable-diffusion-xl-v1-base"},
    {"ss_base_model_version": "sd_v1", "ss_v2": "True", "ss_network_dim": "999"},
    {"modelspec.architecture": "flux-1-dev/lora", "ss_network_alpha": "nan"},
    {"modelspec.architecture": "\ud800" * 999, "ss_tag_frequency": "[" * 9999},
    {"ss_tag_frequency": '{"a": {"b": true, "c": 1e400}}', "sd_merge_models": "[[]]"},
)


def _few(row: Row, tables: Mapping[str, Mutation], count: int) -> list[tuple[str, Mutation]]:
    return random.Random(row["file"]).sample(sorted(tables.items()), count)


def _mutated(row: Row, table: TensorTable, name: str, mutation: Mutation) -> TensorTable:
    return TensorTable(tuple(mutation(random.Random(row["file"] + name), table.tensors)))


#: What is left of an embedding for several encoders is one for fewer.
_SEVERAL = ("ti_sd3_triple", "ti_sdxl_dual")


def _read(listing: Listing, row: Row) -> TensorTable:
    if not row["file"]:
        pytest.skip("needs the corpora beside the project, which are no part of it")
    return listing(row["file"])


def test_slight_harm_changes_nothing(listing: Listing, known_as: Known, label: Row) -> None:
    table = _read(listing, label)
    whole = known_as(table)
    # Of a handful of tensors, one is much.
    harmless = {name: item for name, item in _SLIGHT.items() if "%" not in name}
    for name, mutation in _few(label, _SLIGHT if len(table) >= 40 else harmless, 2):
        found = known_as(_mutated(label, table, name, mutation))
        assert (found.kind, found.base) == (whole.kind, whole.base), name


def test_grave_harm_never_makes_it_another(listing: Listing, known_as: Known, label: Row) -> None:
    table = _read(listing, label)
    whole = known_as(table)
    if any(word in label["file"] for word in _SEVERAL):
        return
    for name, mutation in _few(label, _GRAVE, 1):
        found = known_as(_mutated(label, table, name, mutation))
        assert found.base in (whole.base, None), name


def test_lies_are_found_out(listing: Listing, known_as: Known, label: Row) -> None:
    table = _read(listing, label)
    whole = known_as(TensorTable(table.tensors))
    lie = random.Random(label["file"]).choice(_LIES)
    found = known_as(TensorTable(table.tensors, lie))
    assert found.kind == whole.kind
    if whole.base is not None:
        assert found.base == whole.base
    elif found.base is not None:
        # Where the shapes leave it open, the word of the file counts, as far as they allow it.
        assert found.base in whole.candidates
    assert all(len(value) <= 500 and value.isprintable() for value in found.metadata.values())
