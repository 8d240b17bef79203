"""Add-ons shown for real, each in its jail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from scanner import smoke
from tests.scanner.smoke.files import MINI, Values, shapes, values, write

pytest.importorskip("torch")
pytest.importorskip("diffusers")

Json = dict[str, Any]
QUICK: Json = {"size": 64, "steps": 2, "pictures": 1, "device": "cpu"}
BLOCK = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


def show(path: Path, base: Path | None, out: Path, **options: Any) -> Json:
    return dict(smoke.run(path, out, options=smoke.Options(base=base, **{**QUICK, **options})))


def check(result: Json, name: str) -> Json:
    return next(item for item in result["checks"] if item["name"] == name)


def full(result: Json) -> list[Json]:
    return [item for item in result["images"] if item["size"] == "full"]


def adapter(scale: float = 0.3) -> Values:
    """A LoRA for every attention of the miniature's UNet."""
    random = np.random.default_rng(4)
    state: Values = {}
    for name, shape in shapes({("sd1-mini", "diffusers-unet"): ""}):
        if ".attn" not in name or len(shape) != 2:
            continue
        layer = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        down, up = random.standard_normal((2, shape[1])), random.standard_normal((shape[0], 2))
        state[f"{layer}.lora_down.weight"] = (down * 0.3).astype(np.float32)
        state[f"{layer}.lora_up.weight"] = (up * scale).astype(np.float32)
        state[f"{layer}.alpha"] = np.array(2, np.float32)
    return state


def saved(
    path: Path, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> Path:
    safetensors.numpy.save_file(dict(tensors), path, metadata=dict(metadata or {}))
    return path


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tags = '{"set": {"thing": 40, "red": 3}}'
    path = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    return saved(path, adapter(), {"ss_tag_frequency": tags})


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def shown(mini: Path, lora: Path, out: Path) -> Json:
    return show(lora, mini, out, pictures=2, model="a lora", base_model="a base")


def test_a_lora_is_shown_without_at_half_and_at_full_strength(shown: Json) -> None:
    assert shown["verdict"] in ("passed", "warned"), shown
    assert [(item["group"], item["role"], item["strength"]) for item in full(shown)] == [
        (group, role, strength)
        for group in (1, 2)
        for role, strength in (("base", None), ("model", 0.5), ("model", 1.0))
    ]


def test_pictures_of_a_group_share_seed_and_prompt(shown: Json) -> None:
    for group in (1, 2):
        made = [item for item in full(shown) if item["group"] == group]
        assert len({(item["seed"], item["prompt"]) for item in made}) == 1


def test_the_commonest_tag_of_the_training_joins_the_prompt(shown: Json) -> None:
    assert all(item["prompt"].startswith("thing, ") for item in full(shown))


def test_parameters_name_the_add_on_as_webui_does(shown: Json) -> None:
    without, half, whole = (item["parameters"] for item in full(shown)[:3])
    assert "<lora:" not in without
    assert "<lora:a lora:0.5>" in half
    assert "<lora:a lora:1>" in whole
    assert all("Model: a base," in text for text in (without, half, whole))


def test_every_tensor_is_counted_and_the_change_is_measured(shown: Json) -> None:
    applied, effect = check(shown, "applied"), check(shown, "effect")
    assert applied["outcome"] == effect["outcome"] == "passed"
    assert applied["value"] == applied["threshold"] == len(adapter())
    assert effect["value"] > effect["threshold"]


def test_each_strength_gives_another_picture(shown: Json, out: Path) -> None:
    files = [(out / item["file"]).read_bytes() for item in full(shown)]
    assert len(set(files)) == len(files) == 6


def test_without_it_the_picture_is_the_base_models_own(
    mini: Path, lora: Path, tmp_path: Path
) -> None:
    own = smoke.run(mini, tmp_path / "own", options=smoke.Options(**QUICK, trigger="thing"))
    beside = show(lora, mini, tmp_path / "beside")
    files = (tmp_path / "own" / full(dict(own))[0]["file"],
             tmp_path / "beside" / full(beside)[0]["file"])  # fmt: skip
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    assert np.array_equal(pictures[0], pictures[1])


def test_without_a_base_it_is_skipped_and_says_which_it_needs(lora: Path, tmp_path: Path) -> None:
    result = show(lora, None, tmp_path)
    assert (result["verdict"], result["code"]) == ("skipped", "smoke.needs_base")
    assert result["needs"] == {"base": "sd1-mini", "parts": []}


def test_what_fits_nowhere_is_warned_of_by_name(mini: Path, tmp_path: Path) -> None:
    strange = {
        BLOCK.replace("mid_block", "down_blocks_8") + ".lora_down.weight": np.ones((2, 32), "f4"),
        BLOCK.replace("mid_block", "down_blocks_8") + ".lora_up.weight": np.ones((64, 2), "f4"),
    }
    result = show(saved(tmp_path / "l.safetensors", adapter() | strange), mini, tmp_path / "out")
    assert result["verdict"] == "warned"
    assert check(result, "applied")["outcome"] == "warned"
    assert all(name in check(result, "applied")["message"] for name in strange)
    assert check(result, "applied")["value"] == len(adapter())


@pytest.mark.parametrize(
    ("block", "width", "code"),
    [
        ("down_blocks_8", 64, "smoke.not_applied"),
        ("mid_block", 128, "smoke.wrong_base"),
    ],
)
def test_an_add_on_of_which_nothing_applies_fails(
    block: str, width: int, code: str, mini: Path, tmp_path: Path
) -> None:
    name = BLOCK.replace("mid_block", block)
    state = {
        f"{name}.lora_down.weight": np.ones((2, 32), np.float32),
        f"{name}.lora_up.weight": np.ones((width, 2), np.float32),
        f"{name.replace('to_k', 'to_q')}.lora_down.weight": np.ones((2, 64), np.float32),
        f"{name.replace('to_k', 'to_q')}.lora_up.weight": np.ones((width, 2), np.float32),
    }
    result = show(saved(tmp_path / "l.safetensors", state), mini, tmp_path / "out")
    assert (result["verdict"], result["code"]) == ("failed", code), result
    assert name in result["reason"]
    assert result["images"] == []


def test_an_add_on_that_changes_nothing_is_warned_of(mini: Path, tmp_path: Path) -> None:
    result = show(saved(tmp_path / "l.safetensors", adapter(scale=0.0)), mini, tmp_path / "out")
    assert result["verdict"] == "warned"
    assert check(result, "effect")["outcome"] == "warned"
    assert check(result, "effect")["value"] == 0


def test_weights_that_are_no_numbers_fail_by_name(mini: Path, tmp_path: Path) -> None:
    state = adapter()
    name = next(iter(state))
    state[name][0, 0] = np.nan
    result = show(saved(tmp_path / "l.safetensors", state), mini, tmp_path / "out")
    assert (result["verdict"], result["code"]) == ("failed", "smoke.weights")
    assert name in result["reason"]


def test_a_base_that_is_none_is_said_to_be_none(lora: Path, tmp_path: Path) -> None:
    layouts = {key: prefix for key, prefix in MINI.items() if key[0] != "vae-mini"}
    half = write(tmp_path / "half.safetensors", values(layouts))
    for base, words in ((lora, "the base model cannot be used"), (half, "VAE")):
        result = show(lora, base, tmp_path / "out")
        assert (result["verdict"], result["code"]) == ("skipped", "smoke.base_file")
        assert words in result["reason"]
        assert result["needs"] == {"base": "sd1-mini", "parts": []}


def test_an_add_on_for_another_base_is_not_shown_on_this_one(mini: Path, tmp_path: Path) -> None:
    block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    state = {
        f"{block}.lora_down.weight": np.zeros((4, 768), np.float16),
        f"{block}.lora_up.weight": np.zeros((320, 4), np.float16),
    }
    result = show(saved(tmp_path / "l.safetensors", state), mini, tmp_path / "out")
    assert (result["verdict"], result["code"]) == ("skipped", "smoke.base_file")
    assert result["needs"] == {"base": "sd1", "parts": []}


def test_an_embedding_is_called_up_by_its_name(mini: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((2, 32)).astype(np.float32)
    path = saved(tmp_path / "style-x.safetensors", {"emb_params": vectors})
    result = show(path, mini, tmp_path / "out")
    assert result["verdict"] in ("passed", "warned"), result
    without, half, whole = full(result)
    assert "style-x" not in without["prompt"]
    assert half["prompt"] == whole["prompt"] == "style-x, " + without["prompt"]
    assert half["parameters"].startswith("(style-x:0.5), ")
    assert check(result, "effect")["outcome"] == "passed"


def test_an_embedding_that_is_to_be_avoided_is(mini: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((2, 32)).astype(np.float32)
    path = saved(tmp_path / "bad-shapes.safetensors", {"emb_params": vectors})
    result = show(path, mini, tmp_path / "out")
    without, half, whole = full(result)
    assert without["prompt"] == half["prompt"] == whole["prompt"]
    assert "Negative prompt" not in without["parameters"]
    assert "\nNegative prompt: (bad-shapes:0.5)\n" in half["parameters"]
    assert "\nNegative prompt: bad-shapes\n" in whole["parameters"]
    assert check(result, "negative")["outcome"] == "passed"
    assert check(result, "effect")["outcome"] == "passed"


def test_a_hypernetwork_is_hooked_in(mini: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    state = {
        f"{width}.{side}.linear.0.weight": random.normal(0, 0.2, (width, width)).astype("f4")
        for width in (32, 64)
        for side in (0, 1)
    }
    result = show(saved(tmp_path / "h.safetensors", state), mini, tmp_path / "out")
    assert result["verdict"] in ("passed", "warned"), result
    assert check(result, "applied")["value"] == 4
    assert check(result, "effect")["outcome"] == "passed"
    assert "<hypernet:h:0.5>" in full(result)[1]["parameters"]


def test_an_activation_that_nobody_knows_is_skipped(mini: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "h.safetensors", {"32.0.linear.0.weight": np.ones((32, 32), "f4")},
                 {"activation_func": "quantum"})  # fmt: skip
    result = show(path, mini, tmp_path / "out")
    assert (result["verdict"], result["code"]) == ("skipped", "smoke.algorithm")


def test_a_vae_is_shown_beside_its_reference_and_on_the_base(mini: Path, tmp_path: Path) -> None:
    vae = values({key: "" for key in MINI if key[0] == "vae-mini"})
    vae["decoder.conv_out.weight"] = vae["decoder.conv_out.weight"][::-1].copy()
    result = show(write(tmp_path / "vae.safetensors", vae), mini, tmp_path / "out")
    assert [(item["group"], item["role"]) for item in full(result)] == [
        (1, "reference"), (1, "model"), (2, "base"), (2, "model"),
    ]  # fmt: skip
    assert check(result, "effect")["value"] > check(result, "effect")["threshold"]
    assert {item["strength"] for item in result["images"]} == {None}
