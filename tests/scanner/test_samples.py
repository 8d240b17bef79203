"""The samples are what they say they are, and the hostile one never runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from scanner import reading, safety, samples
from scanner.identify import identify
from scanner.limits import DEFAULT
from scanner.report import Identity, State, Verdict
from scanner.smoke import miniature
from scanner.smoke.miniature.__main__ import main as alone
from scanner.source import FileSource


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    samples.make(folder)
    return folder


def judged(path: Path) -> tuple[Verdict, Identity | None]:
    with path.open("rb") as file:
        read = reading.read(FileSource(file.fileno()), DEFAULT)
        verdict = safety.judge(read, DEFAULT).verdict
        if read.table is None:
            return verdict, None
        return verdict, identify(read.table, format=read.format, limits=DEFAULT)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mini.ckpt", "checkpoint"),
        ("mini.safetensors", "checkpoint"),
        ("mini-ema.ckpt", "checkpoint"),
        ("mini-lora.safetensors", "lora"),
        ("mini-embedding.pt", "embedding"),
        ("mini.vae.pt", "vae"),
        ("mini-hypernetwork.pt", "hypernetwork"),
    ],
)
def test_each_sample_is_clean_and_of_its_kind(folder: Path, name: str, kind: str) -> None:
    verdict, identity = judged(folder / name)
    assert verdict is Verdict.CLEAN
    assert identity is not None
    assert (identity.kind, identity.base) == (kind, "sd1-mini")


def test_the_checkpoint_is_whole_and_the_bloated_one_holds_its_ema(folder: Path) -> None:
    for name, ema in (("mini.ckpt", "none"), ("mini-ema.ckpt", "full")):
        _, identity = judged(folder / name)
        assert identity is not None
        assert identity.ema == ema
        for part in ("unet", "text_encoder", "vae"):
            assert identity.components[part].state is State.WHOLE


def test_torch_loads_every_benign_sample_and_every_value_is_finite(folder: Path) -> None:
    for name in miniature.PICKLES:
        tree = torch.load(folder / name, weights_only=True)
        assert tree
    loaded = load_file(folder / "mini.safetensors")
    assert all(tensor.isfinite().all() for tensor in loaded.values())
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float16, torch.int64}


def test_the_hostile_sample_is_malicious_and_has_left_no_marker(folder: Path) -> None:
    verdict, _ = judged(folder / "hostile.ckpt")
    assert verdict is Verdict.MALICIOUS
    assert samples.MARKER.encode() in (folder / "hostile.ckpt").read_bytes()
    assert not Path(samples.MARKER).exists()


def test_the_same_bytes_are_written_every_time(folder: Path, tmp_path: Path) -> None:
    def digests(where: Path) -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in where.iterdir()
        }

    assert samples.main([str(tmp_path)]) == 0
    assert digests(tmp_path) == digests(folder)


def test_the_miniature_alone_is_written_without_the_hostile_sample(tmp_path: Path) -> None:
    assert alone([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "mini.ckpt", "mini.safetensors", "mini-ema.ckpt", "mini-lora.safetensors",
        "mini-embedding.pt", "mini-hypernetwork.pt", "mini.vae.pt",
    }  # fmt: skip


def test_the_last_weights_lie_close_to_their_average_but_are_not_the_same(folder: Path) -> None:
    state = torch.load(folder / "mini-ema.ckpt", weights_only=True)["state_dict"]
    name = "model.diffusion_model.out.2.weight"
    last, average = state[name], state["model_ema." + name[len("model.") :].replace(".", "")]
    assert not torch.equal(last, average)
    assert (last - average).abs().max() < average.abs().max()


def test_words_that_were_never_trained_have_vectors_all_the_same(folder: Path) -> None:
    state = load_file(folder / "mini.safetensors")
    table = state["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"]
    assert table.shape == (49408, 32)
    assert len({tuple(row) for row in table[:500].tolist()}) == 500
    assert float(table.float().std()) < 0.1


def test_a_folder_that_cannot_be_made_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert samples.main([str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err
