"""What is converted draws what its source drew, bit for bit, in diffusers' own loader."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scanner.convert import Options, to_file
from tests.scanner.convert import pipelines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("base", pipelines.LAYOUTS)
def test_a_converted_checkpoint_draws_the_same_picture(tmp_path: Path, base: str) -> None:
    source, target = tmp_path / "model.ckpt", tmp_path / "model.safetensors"
    torch.save({"state_dict": pipelines.checkpoint(base), "global_step": 470_000}, source)
    config = pipelines.configured(base, tmp_path / "config")
    to_file(source, target)
    assert pipelines.picture(target, config) == pipelines.picture(source, config)


def test_the_ema_values_draw_once_the_file_is_pruned(tmp_path: Path) -> None:
    """Other values than the raw ones, and so another picture: the one of the EMA copy."""
    unet = "model.diffusion_model."
    state = pipelines.checkpoint("sd1")
    averaged = {name: value * 0.9 for name, value in state.items() if name.startswith(unet)}
    copy = {"model_ema." + name.removeprefix("model.").replace(".", ""): value
            for name, value in averaged.items()}  # fmt: skip
    config = pipelines.configured("sd1", tmp_path / "config")
    for name, values in (("full", {**state, **copy}), ("ema", {**state, **averaged})):
        torch.save({"state_dict": values}, tmp_path / f"{name}.ckpt")
    to_file(tmp_path / "full.ckpt", tmp_path / "pruned.safetensors", Options(prune=True))
    pruned = pipelines.picture(tmp_path / "pruned.safetensors", config)
    assert pruned == pipelines.picture(tmp_path / "ema.ckpt", config)
    assert pruned != pipelines.picture(tmp_path / "full.ckpt", config)
