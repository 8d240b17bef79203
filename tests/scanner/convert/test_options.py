"""Precision, pruning, repairs: what is asked for happens, and what is left out is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from scanner.convert import Conversion, Options, Precision, Weights, to_file
from scanner.errors import Refused

_UNET = "model.diffusion_model."
_VAE = "first_stage_model."
_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def converted(
    tree: object, tmp_path: Path, options: Options
) -> tuple[Conversion, dict[str, torch.Tensor]]:
    source, target = tmp_path / "in.ckpt", tmp_path / "out.safetensors"
    torch.save(tree, source)
    done = to_file(source, target, options)
    return done, load_file(target)


def checkpoint(*, ema: bool = True) -> dict[str, torch.Tensor]:
    state = {
        _UNET + "input_blocks.0.0.weight": torch.randn(4, 3),
        _UNET + "out.2.bias": torch.randn(4),
        _VAE + "encoder.conv_in.weight": torch.randn(2, 2),
        _VAE + "decoder.conv_out.weight": torch.randn(2),
        _VAE + "loss.logvar": torch.zeros(()),
        "betas": torch.rand(5, dtype=torch.float64),
    }
    if ema:
        state |= {
            "model_ema.diffusion_modelinput_blocks00weight": torch.randn(4, 3),
            "model_ema.diffusion_modelout2bias": torch.randn(4),
            "model_ema.decay": torch.tensor(0.9999),
            "model_ema.num_updates": torch.tensor(7),
        }
    return state


def names(done: Conversion) -> dict[str, str]:
    return {item.name: item.why for item in done.dropped}


def test_the_default_keeps_every_tensor_as_it_is(tmp_path: Path) -> None:
    state = checkpoint()
    done, loaded = converted({"state_dict": state}, tmp_path, Options())
    assert done.dropped == ()
    assert {name: tensor.dtype for name, tensor in loaded.items()} == {
        name: tensor.dtype for name, tensor in state.items()
    }


@pytest.mark.parametrize(
    ("precision", "dtype"), [(Precision.FP16, torch.float16), (Precision.BF16, torch.bfloat16)]
)
def test_floats_are_cast_and_integers_are_not(
    tmp_path: Path, precision: Precision, dtype: torch.dtype
) -> None:
    given = {"a": torch.randn(40, 30), "t": torch.randn(8, 5).t(), "i": torch.arange(4)}
    done, loaded = converted(given, tmp_path, Options(precision=precision))
    assert torch.equal(loaded["a"], given["a"].to(dtype))
    assert torch.equal(loaded["t"], given["t"].to(dtype))
    assert torch.equal(loaded["i"], given["i"])
    assert done.kept == ()


def test_a_tensor_that_would_overflow_stays_as_it_is_and_is_named(tmp_path: Path) -> None:
    given = {name: torch.randn(300) for name in "abcd"}
    given["b"][7] = 70_000.0
    given["c"][9] = float("inf")
    given["d"][9] = -1e9
    done, loaded = converted(given, tmp_path, Options(precision=Precision.FP16))
    assert done.kept == ("b", "d")
    assert torch.equal(loaded["b"], given["b"])
    assert torch.equal(loaded["c"], given["c"].half())
    assert torch.equal(loaded["a"], given["a"].half())
    assert torch.equal(loaded["d"], given["d"])


def test_pruning_keeps_the_ema_values_under_the_unets_names(tmp_path: Path) -> None:
    state = checkpoint()
    tree = {"state_dict": state, "optimizer_states": [{"exp_avg": torch.randn(9)}], "epoch": 4}
    done, loaded = converted(tree, tmp_path, Options(prune=True))
    assert torch.equal(loaded[_UNET + "out.2.bias"], state["model_ema.diffusion_modelout2bias"])
    assert set(loaded) == {
        _UNET + "input_blocks.0.0.weight", _UNET + "out.2.bias", "betas",
        _VAE + "encoder.conv_in.weight", _VAE + "decoder.conv_out.weight",
    }  # fmt: skip
    assert done.weights == "ema"
    dropped = names(done)
    assert dropped[_VAE + "loss.logvar"] == "part of a training loss"
    assert "model_ema.decay" in dropped
    assert any("exp_avg" in name for name in dropped)


def test_pruning_keeps_the_raw_values_on_request(tmp_path: Path) -> None:
    state = checkpoint()
    done, loaded = converted(state, tmp_path, Options(prune=True, weights=Weights.RAW))
    assert torch.equal(loaded[_UNET + "out.2.bias"], state[_UNET + "out.2.bias"])
    assert not any(name.startswith("model_ema") for name in loaded)
    assert done.weights == "raw"


def test_an_ema_copy_that_is_not_whole_is_not_used(tmp_path: Path) -> None:
    state = checkpoint()
    del state["model_ema.diffusion_modelout2bias"]
    done, loaded = converted(state, tmp_path, Options(prune=True))
    name = _UNET + "input_blocks.0.0.weight"
    assert torch.equal(loaded[name], state[name])
    assert done.weights == "raw"
    assert "not whole" in names(done)["model_ema.diffusion_modelinput_blocks00weight"]


def test_a_unet_that_exists_only_as_ema_is_left_alone(tmp_path: Path) -> None:
    state = {name: item for name, item in checkpoint().items() if not name.startswith(_UNET)}
    _, loaded = converted(state, tmp_path, Options(prune=True))
    assert "model_ema.diffusion_modelout2bias" in loaded


def test_position_ids_are_written_anew(tmp_path: Path) -> None:
    broken = torch.arange(77).float()[None] * 0.999
    state = {_IDS: broken, "other.position_ids": torch.zeros(3)}
    _, loaded = converted(state, tmp_path, Options(position_ids=True))
    assert torch.equal(loaded[_IDS], torch.arange(77)[None])
    assert torch.equal(loaded["other.position_ids"], torch.zeros(3))


@pytest.mark.parametrize("prefix", ["", _VAE])
def test_another_vae_takes_the_place_of_the_models(tmp_path: Path, prefix: str) -> None:
    state = checkpoint(ema=False)
    vae = {
        prefix + "encoder.conv_in.weight": torch.randn(2, 2),
        prefix + "decoder.conv_out.weight": torch.randn(2),
        prefix + "loss.x": torch.randn(2),
    }
    torch.save({"state_dict": vae}, tmp_path / "other.vae.pt")
    _, loaded = converted(state, tmp_path, Options(vae=tmp_path / "other.vae.pt"))
    assert torch.equal(
        loaded[_VAE + "encoder.conv_in.weight"], vae[prefix + "encoder.conv_in.weight"]
    )
    assert not any("loss" in name for name in loaded)
    name = _UNET + "out.2.bias"
    assert torch.equal(loaded[name], state[name])


@pytest.mark.parametrize("within", [True, False])
def test_flux_s_vae_is_changed_under_its_own_name(tmp_path: Path, within: bool) -> None:
    names = ("encoder.conv_in.weight", "decoder.conv_out.weight")
    state = {f"{_UNET}double_blocks.0.img_mod.lin.bias": torch.zeros(3)}
    if within:
        state |= {f"vae.{name}": torch.zeros(4, 4) for name in names}
    torch.save({f"vae.{name}": torch.ones(4, 4) for name in names}, tmp_path / "other.vae.pt")
    _, loaded = converted(state, tmp_path, Options(vae=tmp_path / "other.vae.pt"))
    assert loaded.keys() == {*state, *(f"vae.{name}" for name in names)}
    assert all(torch.equal(loaded[f"vae.{name}"], torch.ones(4, 4)) for name in names)


@pytest.mark.parametrize(
    ("vae", "code"),
    [
        ({"encoder.down_blocks.0": torch.zeros(1)}, "convert.vae_layout"),
        (
            {
                "encoder.conv_in.weight": torch.zeros(9, 9),
                "decoder.conv_out.weight": torch.zeros(2),
            },
            "convert.vae_shape",
        ),
    ],
)
def test_a_vae_that_does_not_fit_is_refused(
    tmp_path: Path, vae: dict[str, torch.Tensor], code: str
) -> None:
    torch.save(vae, tmp_path / "vae.pt")
    with pytest.raises(Refused, match=code):
        converted(checkpoint(), tmp_path, Options(vae=tmp_path / "vae.pt"))
    assert not (tmp_path / "out.safetensors").exists()


def test_useful_facts_become_metadata_and_ours_are_added(tmp_path: Path) -> None:
    tree = {"state_dict": {"a": torch.zeros(2)}, "global_step": 470_000, "epoch": 0, "name": None}
    done, _ = converted(tree, tmp_path, Options(metadata={"weighhouse.source": "sha256:ab"}))
    with safe_open(done.target, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["global_step"] == "470000"
    assert metadata["weighhouse.source"] == "sha256:ab"
    assert "weighhouse.converter" in metadata
    assert done.dropped == ()
