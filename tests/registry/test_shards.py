"""Models in several files: told by their names, and made one by the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from django.test import Client
from safetensors.torch import load_file, save_file

from registry import blobs, shards, uploads, variants
from registry.models import Version
from registry.pipeline import drawing, steps, tasks
from registry.recipes import Recipe
from registry.shards import Shard
from registry.states import ArtifactRole, RunState, Stage
from tests.registry import making


class File(NamedTuple):
    name: str


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model-00001-of-00002.safetensors", Shard("model", ".safetensors", 1, 2)),
        ("a-b-00012-of-00100.BIN", Shard("a-b", ".bin", 12, 100)),
        ("model.safetensors", None),
        ("model-1-of-2.safetensors", None),
        ("-00001-of-00002.safetensors", None),
    ],
)
def test_a_shard_is_told_by_its_name(name: str, found: Shard | None) -> None:
    assert shards.shard(name) == found


def test_a_set_is_complete_or_none() -> None:
    names = ["m-00002-of-00002.bin", "m-00001-of-00002.bin", "m-00001-of-00002.safetensors",
             "n-00001-of-00001.bin", "o-00003-of-00002.bin", "vae.pt"]  # fmt: skip
    (found,) = shards.complete([File(name) for name in names])
    assert [file.name for file in found] == ["m-00001-of-00002.bin", "m-00002-of-00002.bin"]


def parts(folder: Path, *, missing: bool = False) -> list[Path]:
    """A LoRA cut in two, as tools save large models."""
    torch.manual_seed(3)
    made = []
    for number, layer in enumerate(("to_k", "to_v"), 1):
        name = f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_{layer}"
        tensors = {
            f"{name}.lora_down.weight": torch.randn(4, 768),
            f"{name}.lora_up.weight": torch.randn(320, 4),
            f"{name}.alpha": torch.tensor(4.0),
        }
        made.append(folder / f"style-0000{number}-of-00002.safetensors")
        save_file(tensors, made[-1])
    return made[:1] if missing else made


def converted(*paths: Path) -> Version:
    version = making.version()
    for path in paths:
        uploads.receive_path(path, version=version, by=version.created_by)
    uploads.submit(version, by=version.created_by)
    for _ in range(2):
        tasks.work(version.runs.get(state=RunState.WAITING).pk)
    version.refresh_from_db()
    assert version.stage == Stage.CONVERTED, version.problem
    return version


@pytest.mark.django_db
def test_shards_become_one_file_that_is_what_the_version_is(tmp_path: Path) -> None:
    files = parts(tmp_path)
    version = converted(*files)
    whole = version.artifacts.get(role=ArtifactRole.CONVERTED)
    assert (whole.name, whole.verdict) == ("style.safetensors", "clean")
    assert whole.details["joined"] == [file.name for file in files]
    with blobs.open_any(whole.blob_id) as opened:
        (tmp_path / "whole.safetensors").write_bytes(opened.read())
    together = load_file(tmp_path / "whole.safetensors")
    expected = load_file(files[0]) | load_file(files[1])
    assert together.keys() == expected.keys()
    assert all(torch.equal(together[name], expected[name]) for name in expected)
    assert (version.kind, version.base) == ("lora", "sd1")
    assert drawing.subject(version) == whole
    # Done once, whatever is tried again.
    outcome = steps.convert(version, lambda *_: None)
    assert outcome.commit
    outcome.commit()
    assert version.artifacts.count() == 3

    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    version.refresh_from_db()
    row = variants.ask(version, Recipe(precision="fp16"), by=version.created_by)
    assert row.source == whole
    client = Client()
    client.force_login(version.created_by)
    page = client.get(version.get_absolute_url()).content.decode()
    assert "part 1 of 2 of one model" in page
    assert "all 2 parts in one, what people will download" in page


@pytest.mark.django_db
def test_a_part_alone_stays_what_it_is(tmp_path: Path) -> None:
    version = converted(*parts(tmp_path, missing=True))
    assert version.artifacts.count() == 1
