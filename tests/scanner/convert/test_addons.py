"""Embeddings and hypernetworks get the layouts that their loaders know."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from scanner.convert import to_file


def converted(tree: object, tmp_path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    source, target = tmp_path / "in.pt", tmp_path / "out.safetensors"
    torch.save(tree, source)
    to_file(source, target)
    with safe_open(target, "pt") as opened:
        return load_file(target), opened.metadata()


def test_a_webui_embedding_holds_emb_params_alone(tmp_path: Path) -> None:
    vectors = torch.randn(4, 768)
    tree = {
        "string_to_token": {"*": torch.tensor(265)},
        "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)}),
        "name": "mystyle", "step": 9999, "sd_checkpoint": "4bdfc29c", "sd_checkpoint_name": "sd",
    }  # fmt: skip
    loaded, metadata = converted(tree, tmp_path)
    assert list(loaded) == ["emb_params"]
    assert torch.equal(loaded["emb_params"], vectors)
    assert metadata["name"] == "mystyle"
    assert metadata["step"] == "9999"
    # WebUI's star is nobody's trigger word.
    assert "trigger_token" not in metadata


@pytest.mark.parametrize("shape", [(768,), (1024,), (2, 768)])
def test_a_diffusers_embedding_is_a_table_of_rows(tmp_path: Path, shape: tuple[int, ...]) -> None:
    vectors = torch.randn(shape)
    loaded, metadata = converted({"<cat-toy>": vectors}, tmp_path)
    assert torch.equal(loaded["emb_params"], vectors.reshape(-1, shape[-1]))
    assert metadata["trigger_token"] == "<cat-toy>"


def test_an_sdxl_embedding_keeps_both_encoders(tmp_path: Path) -> None:
    given = {"clip_l": torch.randn(2, 768), "clip_g": torch.randn(2, 1280)}
    loaded, _ = converted({**given, "name": "x"}, tmp_path)
    assert set(loaded) == {"clip_l", "clip_g"}
    assert torch.equal(loaded["clip_g"], given["clip_g"])


def test_one_tensor_that_is_no_embedding_keeps_its_name(tmp_path: Path) -> None:
    loaded, _ = converted({"weight": torch.randn(5, 7)}, tmp_path)
    assert list(loaded) == ["weight"]


def test_a_hypernetwork_is_named_by_width_and_net(tmp_path: Path) -> None:
    nets = {
        dim: tuple({"linear.0.weight": torch.randn(dim * 2, dim), "linear.0.bias": torch.randn(dim)}
                   for _ in range(2))
        for dim in (32, 64)
    }  # fmt: skip
    tree = {**nets, "layer_structure": [1, 2, 1], "activation_func": "relu", "name": "h", "step": 5}
    loaded, metadata = converted(tree, tmp_path)
    assert set(loaded) == {
        f"{dim}.{net}.linear.0.{part}"
        for dim in (32, 64) for net in (0, 1) for part in ("weight", "bias")
    }  # fmt: skip
    assert torch.equal(loaded["64.1.linear.0.bias"], nets[64][1]["linear.0.bias"])
    assert metadata["layer_structure"] == "[1, 2, 1]"
    assert metadata["activation_func"] == "relu"


def test_a_list_of_layers_is_no_hypernetwork(tmp_path: Path) -> None:
    loaded, _ = converted({"0.0.weight": torch.zeros(2), "1.0.weight": torch.zeros(2)}, tmp_path)
    assert set(loaded) == {"0.0.weight", "1.0.weight"}
