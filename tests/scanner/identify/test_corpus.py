"""Genuine listings, whole and mutilated."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from scanner.report import Identity, State
from scanner.tensors import Tensor, TensorTable

Listing = Callable[[str], TensorTable]
Known = Callable[..., Identity]
Row = dict[str, str]

#: What the label's own words are in a report.
_COMPONENTS = {"unet": "unet", "clip": "text_encoder", "vae": "vae", "depth": "depth_model"}
#: Keys that fit two families alike: Flux and Qwen-Image name and size these layers the same.
_UNDECIDABLE = {"invokeai_listings__qwen_image_lora_diffusers_format.json.gz": "qwen"}
_VAE = ("first_stage_model.", "vae.")
_TEXT = ("cond_stage_model.", "conditioner.", "text_encoders.")


def _read(listing: Listing, label: Row) -> TensorTable:
    if not label["file"]:
        pytest.skip("needs the corpora beside the project, which are no part of it")
    return listing(label["file"])


def _kind(label: Row) -> str:
    if label["kind"] == "component":
        return _COMPONENTS[label["variant"].split(":")[0]]
    return label["kind"]


def test_kind_and_base_of_every_listing(listing: Listing, known_as: Known, label: Row) -> None:
    found = known_as(_read(listing, label))
    assert found.kind == _kind(label)
    if label["file"] in _UNDECIDABLE:
        assert found.base is None
        assert _UNDECIDABLE[label["file"]] in found.candidates
    else:
        assert (found.base or "") == label["base"]
    assert not found.conflicts


def test_rank_without_any_metadata(listing: Listing, known_as: Known, ranked: Row) -> None:
    table = _read(listing, ranked)
    adapter = known_as(TensorTable(table.tensors)).adapter
    assert adapter is not None
    assert max(adapter.ranks, key=lambda rank: adapter.ranks[rank]) == ranked["rank"]


def test_algorithm_of_the_lycoris_listings(listing: Listing, known_as: Known, lycoris: Row) -> None:
    table = _read(listing, lycoris)
    word = lycoris["variant"].split("_")[0]
    expected = {"diag-oft": "oft", "dylora": "locon"}.get(word, word)
    adapter = known_as(table).adapter
    assert adapter is not None
    assert adapter.algorithm == expected
    assert adapter.dora is ("dora" in lycoris["variant"])


# -- variants of every checkpoint ----------------------------------------------------------------


def _only(table: TensorTable, keep: Callable[[Tensor], bool]) -> TensorTable:
    return TensorTable(tuple(tensor for tensor in table if keep(tensor)))


def _states(found: Identity) -> dict[str, State]:
    return {name: component.state for name, component in found.components.items()}


def _without(table: TensorTable, prefixes: tuple[str, ...]) -> TensorTable:
    return _only(table, lambda tensor: not tensor.name.startswith(prefixes))


def test_parts_taken_out_are_absent(listing: Listing, known_as: Known, checkpoint: Row) -> None:
    table = _read(listing, checkpoint)
    whole = known_as(table)
    assert set(_states(whole).values()) == {State.WHOLE}
    for gone in (_VAE, _TEXT):
        found = known_as(_without(table, gone))
        assert (found.kind, found.base, found.variant) == ("checkpoint", whole.base, whole.variant)
        states = _states(found)
        for name, state in states.items():
            removed = name == "vae" if gone is _VAE else name.startswith("text_encoder")
            assert state is (State.ABSENT if removed else State.WHOLE), name
    bare = known_as(_without(table, (*_VAE, *_TEXT, "depth_model.", "embedder.")))
    assert (bare.kind, bare.base, bare.variant) == ("unet", whole.base, whole.variant)
    assert _states(bare)["vae"] is State.ABSENT


def test_a_bare_unet_needs_no_prefix(listing: Listing, known_as: Known, checkpoint: Row) -> None:
    table = _read(listing, checkpoint)
    whole = known_as(table)
    prefix = "model.diffusion_model."
    bare = TensorTable(
        tuple(_renamed(tensor, tensor.name.removeprefix(prefix))
              for tensor in table if tensor.name.startswith(prefix))
    )  # fmt: skip
    found = known_as(bare)
    assert (found.kind, found.base, found.variant) == ("unet", whole.base, whole.variant)
    assert found.components["unet"].state is State.WHOLE


def test_only_the_ema_copy(listing: Listing, known_as: Known, ema_checkpoint: Row) -> None:
    table = _read(listing, ema_checkpoint)
    whole = known_as(table)
    assert whole.ema == "full"
    found = known_as(_without(table, ("model.diffusion_model.",)))
    assert (found.kind, found.base, found.variant) == ("checkpoint", whole.base, whole.variant)
    assert found.ema == "only"
    assert (found.components["unet"].state, found.components["ema"].state) == (
        State.ABSENT, State.WHOLE,
    )  # fmt: skip


def _renamed(tensor: Tensor, name: str) -> Tensor:
    return Tensor(name, tensor.dtype, tensor.shape, tensor.stride, tensor.storage)


def test_novelai_prefix(listing: Listing, known_as: Known, sd1_checkpoint: Row) -> None:
    table = _read(listing, sd1_checkpoint)
    whole = known_as(table)
    named = TensorTable(
        tuple(_renamed(tensor, tensor.name.replace(".transformer.text_model.", ".transformer."))
              for tensor in table if not tensor.name.endswith("position_ids"))
    )  # fmt: skip
    found = known_as(named)
    assert _states(found) == _states(whole)
    assert found.base == whole.base


def test_junk_changes_nothing(
    listing: Listing, known_as: Known, checkpoint: Row, make_tensor: Callable[..., Tensor]
) -> None:
    table = _read(listing, checkpoint)
    whole = known_as(table)
    junk = tuple(
        make_tensor(name, (64, 64))
        for name in ("junk.weight", "model.diffusion_model.junk.weight", "first_stage_model.x")
    )
    found = known_as(TensorTable((*junk, *table.tensors)))
    assert (found.kind, found.base, found.variant) == (whole.kind, whole.base, whole.variant)
    assert _states(found) == _states(whole)


def _parts(table: TensorTable) -> list[Tensor]:
    """Tensors that loaders cannot do without."""
    optional = ("position_ids", "logit_scale", "text_projection.weight")
    starts = ("model.diffusion_model.", "model_ema.diffusion_model", *_VAE, *_TEXT)
    return [
        tensor for tensor in table
        if tensor.name.startswith(starts) and not tensor.name.endswith(optional)
    ]  # fmt: skip


def test_a_missing_tensor_is_named(listing: Listing, known_as: Known, checkpoint: Row) -> None:
    table = _read(listing, checkpoint)
    whole = known_as(table)
    chosen = random.Random(checkpoint["file"]).sample(_parts(table), 3)
    for gone in chosen:
        found = known_as(_only(table, lambda tensor, gone=gone: tensor is not gone))
        assert (found.kind, found.base) == (whole.kind, whole.base)
        named = [name for part in found.components.values() for name in part.missing]
        assert named == [gone.name]
        assert list(_states(found).values()).count(State.PARTIAL) == 1


def test_a_misshapen_tensor_is_named(listing: Listing, known_as: Known, checkpoint: Row) -> None:
    table = _read(listing, checkpoint)
    whole = known_as(table)
    chosen = random.Random(checkpoint["file"]).sample(
        [tensor for tensor in _parts(table) if tensor.shape], 3
    )
    for bent in chosen:
        shape = (bent.shape[0] + 1, *bent.shape[1:])
        broken = Tensor(bent.name, bent.dtype, shape, bent.stride, bent.storage)
        found = known_as(
            TensorTable(tuple(broken if tensor is bent else tensor for tensor in table))
        )
        assert (found.kind, found.base, found.variant) == (whole.kind, whole.base, whole.variant)
        named = [name for part in found.components.values() for name in part.misshapen]
        assert named == [bent.name]
