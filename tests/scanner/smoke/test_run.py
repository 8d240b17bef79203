"""Real generations, each in its jail. The parent never computes with torch: a child forked after
that could hang."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scanner import sandbox, smoke
from scanner.errors import EngineError
from tests.scanner.smoke.files import MINI, Values, values, write

pytest.importorskip("torch")
pytest.importorskip("diffusers")

Json = dict[str, Any]
QUICK = smoke.Options(size=64, steps=2, pictures=1, device="cpu")


def show(path: Path, out: Path, options: smoke.Options = QUICK) -> Json:
    return dict(smoke.run(path, out, options=options))


def damaged(folder: Path, change: Values, *, without: tuple[str, ...] = ()) -> Path:
    tensors = values() | change
    return write(
        folder / "damaged.safetensors",
        {name: tensor for name, tensor in tensors.items() if name not in without},
    )


def previews(result: Json) -> list[Json]:
    """Every picture but the contact sheet."""
    return [item for item in result["images"] if item["size"] != "sheet"]


def check(result: Json, name: str) -> Json:
    return next(item for item in result["checks"] if item["name"] == name)


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def shown(mini: Path, out: Path, told: list[tuple[int, int]]) -> Json:
    options = smoke.Options(size=256, steps=2, pictures=2, device="cpu", model="a name")
    return dict(smoke.run(mini, out, options=options, progress=lambda *done: told.append(done)))


def test_a_whole_model_is_shown(shown: Json) -> None:
    assert shown["verdict"] in ("passed", "warned")
    assert [item["outcome"] for item in shown["checks"] if item["outcome"] == "failed"] == []
    assert shown["device"] == "cpu"
    assert 0 < shown["seconds"] < 600
    assert shown["peak_memory"] > 10 * 1024**2


def test_every_check_comes_with_its_figures(shown: Json) -> None:
    names = [item["name"] for item in shown["checks"]]
    assert names == [
        "weights", "loaded", "unet", "finite", "blank", "colour", "contrast", "tones", "structure",
    ]  # fmt: skip
    assert all(item["value"] is not None for item in shown["checks"])
    assert all(item["threshold"] is not None for item in shown["checks"])


def test_random_weights_do_not_pass_for_trained_ones(shown: Json) -> None:
    assert check(shown, "unet")["outcome"] == "warned"
    assert check(shown, "unet")["value"] > 0.9
    assert shown["verdict"] == "warned"


def test_previews_come_in_three_sizes(shown: Json, out: Path) -> None:
    assert [(item["size"], item["width"]) for item in previews(shown)] == [
        ("full", 256), ("medium", 256), ("small", 192),
    ] * 2  # fmt: skip
    for item in shown["images"]:
        with Image.open(out / item["file"]) as image:
            assert image.format == "WEBP"
            assert image.size == (item["width"], item["height"])


def test_a_contact_sheet_shows_all_pictures(shown: Json, out: Path) -> None:
    sheet = shown["images"][-1]
    assert (sheet["file"], sheet["size"]) == ("contact-sheet.webp", "sheet")
    with Image.open(out / sheet["file"]) as image:
        assert image.format == "WEBP"
        assert image.size == (sheet["width"], sheet["height"])
        # Two pictures of 256 pixels side by side, with room around them.
        assert 2 * 256 < image.width < 3 * 256


def test_only_previews_are_left_behind(shown: Json, out: Path) -> None:
    assert {path.name for path in out.iterdir()} == {item["file"] for item in shown["images"]}


def test_each_picture_has_its_own_prompt_and_seed(shown: Json) -> None:
    made = {(item["prompt"], item["seed"], item["group"]) for item in previews(shown)}
    assert made == {
        ("a red circle", 1001, 1),
        ("a blue square on a light background", 1002, 2),
    }
    assert "Model: a name" in shown["images"][0]["parameters"]


def test_progress_counts_the_steps_of_all_pictures(
    shown: Json, told: list[tuple[int, int]]
) -> None:
    assert told[0] == (0, 4)
    assert told[-1] == (4, 4)
    assert told == sorted(told)


def test_the_jail_held(shown: Json) -> None:
    assert set(shown["sandbox"]) >= set(sandbox.available(strict=False))


def test_the_same_seed_gives_the_same_picture(mini: Path, tmp_path: Path) -> None:
    files = []
    for name in ("once", "twice"):
        result = show(mini, tmp_path / name)
        files.append((tmp_path / name / result["images"][0]["file"]).read_bytes())
    assert files[0] == files[1]


def test_another_seed_gives_another_picture(mini: Path, tmp_path: Path) -> None:
    files = []
    for seed in (1, 2):
        options = smoke.Options(size=128, steps=2, pictures=1, seed=seed, device="cpu")
        result = show(mini, tmp_path / str(seed), options)
        assert result["images"][0]["seed"] == seed
        files.append((tmp_path / str(seed) / result["images"][0]["file"]).read_bytes())
    assert files[0] != files[1]


def test_own_prompts_replace_the_sheet(mini: Path, tmp_path: Path) -> None:
    options = smoke.Options(size=64, steps=1, prompts=("mine", "yours"), device="cpu")
    result = show(mini, tmp_path, options)
    assert [item["prompt"] for item in previews(result)[::3]] == ["mine", "yours"]


def test_half_precision_files_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "half.safetensors", values(dtype=np.float16))
    assert show(path, tmp_path / "out")["verdict"] == "warned"


UNET = "model.diffusion_model."
BROKEN = UNET + "middle_block.0.in_layers.2.weight"


def test_weights_that_are_no_numbers_fail_by_name(tmp_path: Path) -> None:
    broken = values()[BROKEN].copy()
    broken.flat[7] = np.nan
    result = show(damaged(tmp_path, {BROKEN: broken}), tmp_path / "out")
    assert result["verdict"] == "failed"
    assert result["code"] == "smoke.weights"
    assert BROKEN in result["reason"]
    assert result["images"] == []


@pytest.mark.parametrize(
    "name",
    [
        BROKEN,
        "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight",
        "first_stage_model.decoder.conv_out.bias",
    ],
)
def test_a_missing_tensor_fails_by_name(tmp_path: Path, name: str) -> None:
    result = show(damaged(tmp_path, {}, without=(name,)), tmp_path / "out")
    assert result["verdict"] == "failed"
    assert result["code"] == "smoke.incomplete"
    assert name.split(".", 2)[2] in check(result, "complete")["message"]


def test_a_misshapen_tensor_fails_by_name(tmp_path: Path) -> None:
    result = show(damaged(tmp_path, {BROKEN: values()[BROKEN][:-1]}), tmp_path / "out")
    assert result["verdict"] == "failed"
    assert "misshapen" in check(result, "complete")["message"]
    assert "middle_block.0.in_layers.2.weight" in check(result, "complete")["message"]


def test_a_dead_unet_is_warned_of(tmp_path: Path) -> None:
    name = UNET + "out.2.weight"
    dead = {name: np.zeros_like(values()[name])}
    result = show(damaged(tmp_path, dead), tmp_path / "out")
    assert check(result, "unet")["outcome"] == "warned"
    assert "dead" in check(result, "unet")["message"]
    assert check(result, "unet")["value"] == pytest.approx(1.0, abs=0.1)


def test_a_vae_that_draws_nothing_fails_as_blank(tmp_path: Path) -> None:
    name = "first_stage_model.decoder.conv_out.weight"
    result = show(damaged(tmp_path, {name: np.zeros_like(values()[name])}), tmp_path / "out")
    assert result["verdict"] == "failed"
    assert check(result, "blank")["outcome"] == "failed"
    assert len(previews(result)) == 3


def test_overflowing_activations_fail(tmp_path: Path) -> None:
    name = UNET + "out.2.weight"
    huge = np.full_like(values()[name], 3e38)
    result = show(damaged(tmp_path, {name: huge}), tmp_path / "out")
    assert result["verdict"] == "failed"
    assert result["code"] == "smoke.not_finite"


def test_novelai_naming_of_the_text_encoder_is_understood(tmp_path: Path) -> None:
    path = write(
        tmp_path / "nai.safetensors",
        {name.replace(".text_model.", "."): tensor for name, tensor in values().items()},
    )
    result = show(path, tmp_path / "out")
    assert result["verdict"] == "warned", result.get("reason")


@pytest.mark.parametrize("channels", [9, 8], ids=["inpaint", "pix2pix"])
def test_models_that_start_from_a_picture_are_given_one(tmp_path: Path, channels: int) -> None:
    name = UNET + "input_blocks.0.0.weight"
    wider = np.random.default_rng(3).normal(0, 0.1, (32, channels, 3, 3)).astype(np.float32)
    result = show(damaged(tmp_path, {name: wider}), tmp_path / "out")
    assert result["verdict"] in ("passed", "warned"), result.get("reason")
    assert len(previews(result)) == 3


def test_a_vae_alone_is_shown_by_a_round_trip(tmp_path: Path) -> None:
    layouts = {key: "" for key in MINI if key[0] == "vae-mini"}
    result = show(write(tmp_path / "vae.safetensors", values(layouts)), tmp_path / "out")
    # Random weights do not give the picture back.
    assert check(result, "psnr")["outcome"] == "warned"
    assert check(result, "psnr")["value"] < 19
    roles = [(item["role"], item["size"]) for item in previews(result)]
    assert roles == [
        (role, size) for role in ("reference", "model") for size in ("full", "medium", "small")
    ]
    assert {item["group"] for item in previews(result)} == {1}


def test_a_lora_is_skipped_with_the_reason(tmp_path: Path) -> None:
    block = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    path = write(
        tmp_path / "lora.safetensors",
        {
            f"{block}.lora_down.weight": np.zeros((4, 768), np.float16),
            f"{block}.lora_up.weight": np.zeros((320, 4), np.float16),
            f"{block}.alpha": np.array(4.0, np.float16),
        },
    )
    result = show(path, tmp_path / "out")
    assert result["verdict"] == "skipped"
    assert result["code"] == "smoke.needs_base"
    assert result["reason"] == "a LoRA needs a base model to be shown on"


#: The same parts as ``MINI``, as diffusers names them.
DIFFUSERS = {
    ("sd1-mini", "diffusers-unet"): "unet.",
    ("vae-mini", "diffusers-vae"): "vae.",
    ("clip-mini", "clip"): "text_encoder.text_model.",
}
OLD_VAE = {("vae-mini", "diffusers-old-vae"): "vae."}


def without(part: str) -> Values:
    """The whole model's tensors but those of one part."""
    prefix = next(prefix for key, prefix in MINI.items() if key[0] == part)
    return {name: item for name, item in values().items() if not name.startswith(prefix)}


def test_a_file_without_a_vae_is_skipped_and_says_what_it_needs(tmp_path: Path) -> None:
    result = show(write(tmp_path / "no-vae.safetensors", without("vae-mini")), tmp_path / "out")
    assert result["verdict"] == "skipped"
    assert result["code"] == "smoke.needs_parts"
    assert "VAE" in result["reason"]
    assert result["needs"] == {"base": "sd1-mini", "parts": ["vae"]}


@pytest.mark.parametrize(
    ("part", "word"), [("vae-mini", "VAE"), ("clip-mini", "text encoder"), ("sd1-mini", "UNet")]
)
def test_a_base_model_lends_the_missing_part(
    mini: Path, tmp_path: Path, part: str, word: str
) -> None:
    path = write(tmp_path / "part.safetensors", without(part))
    lending = replace(QUICK, base=mini, base_model="The base, itself")
    result = show(path, tmp_path / "out", lending)
    assert result["verdict"] == "warned", result.get("reason")
    told = check(result, "completed")
    assert (told["outcome"], told["value"]) == ("passed", 1.0)
    assert f"no {word}: the {word} of The base, itself" in told["message"]
    key = word[0].upper() + word[1:]
    assert f'{key}: "The base, itself"' in result["images"][0]["parameters"]
    # It is the very part that was taken away: the picture is the whole model's.
    whole = show(mini, tmp_path / "whole")
    assert check(result, "unet")["value"] == check(whole, "unet")["value"]
    pictures = [(tmp_path / name / "preview-1-full.webp") for name in ("out", "whole")]
    assert same_pixels(*pictures)


def same_pixels(one: Path, other: Path) -> bool:
    with Image.open(one) as first, Image.open(other) as second:
        return bool((np.asarray(first) == np.asarray(second)).all())


def test_a_base_model_that_is_not_whole_lends_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "part.safetensors", without("vae-mini"))
    base = write(tmp_path / "base.safetensors", without("clip-mini"))
    result = show(path, tmp_path / "out", replace(QUICK, base=base))
    assert (result["verdict"], result["code"]) == ("skipped", "smoke.base_file")
    assert result["needs"] == {"base": "sd1-mini", "parts": ["vae"]}


@pytest.mark.parametrize("vae", ["diffusers-vae", "diffusers-old-vae"])
def test_a_whole_file_in_the_layout_of_diffusers_is_shown(tmp_path: Path, vae: str) -> None:
    layouts = {("vae-mini", vae) if key[0] == "vae-mini" else key: prefix
               for key, prefix in DIFFUSERS.items()}  # fmt: skip
    result = show(write(tmp_path / "diffusers.safetensors", values(layouts)), tmp_path / "out")
    assert result["verdict"] == "warned", result.get("reason")
    assert check(result, "loaded")["outcome"] == "passed"
    assert len(previews(result)) == 3


@pytest.mark.parametrize("layout", ["diffusers-unet", "ldm-unet", "flat-unet"])
def test_a_unet_alone_is_shown_with_the_parts_of_a_base_model(
    mini: Path, tmp_path: Path, layout: str
) -> None:
    prefix = "model_ema.diffusion_model" if layout == "flat-unet" else ""
    path = write(tmp_path / "unet.safetensors", values({("sd1-mini", layout): prefix}))
    result = show(path, tmp_path / "out", replace(QUICK, base=mini))
    assert result["verdict"] == "warned", result.get("reason")
    assert check(result, "completed")["value"] == 2.0
    assert "VAE: mini" in result["images"][0]["parameters"]


def test_a_text_encoder_alone_reads_for_a_base_model(mini: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.safetensors", values({("clip-mini", "clip"): "text_model."}))
    result = show(path, tmp_path / "out", replace(QUICK, base=mini))
    assert result["verdict"] == "warned", result.get("reason")
    assert check(result, "completed")["value"] == 2.0


def test_anything_but_safetensors_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"\x80\x02}q\x00.")
    result, status = smoke.command(path, tmp_path / "out", device="cpu")
    assert result["verdict"] == "skipped"
    assert result["code"] == "smoke.not_converted"
    assert status == 1


def test_the_exit_status_says_whether_it_was_shown(mini: Path, tmp_path: Path) -> None:
    result, status = smoke.command(
        mini, tmp_path, size=64, steps=1, pictures=1, device="cpu", seed=5
    )
    assert result["verdict"] == "warned"
    assert status == 0


def test_a_run_that_takes_too_long_is_a_failed_result(mini: Path, tmp_path: Path) -> None:
    limits = smoke.LIMITS._replace(wall_seconds=0)
    result = smoke.run(mini, tmp_path, options=QUICK, limits=limits)
    assert result["verdict"] == "failed"
    assert result["code"] == "sandbox.timeout"


def test_a_gpu_that_is_not_there_is_our_failure(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match=r"smoke\.no_gpu"):
        show(mini, tmp_path, smoke.Options(device="cuda"))


def test_a_file_that_safetensors_itself_refuses_fails_and_says_so(
    mini: Path, tmp_path: Path
) -> None:
    path = tmp_path / "longer.safetensors"
    path.write_bytes(mini.read_bytes() + bytes(8))
    result = show(path, tmp_path / "out")
    assert (result["verdict"], result["code"]) == ("failed", "smoke.unreadable")
    assert "safetensors library refuses" in str(result["reason"])


def test_a_base_model_that_safetensors_itself_refuses_lends_nothing(
    mini: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "part.safetensors", without("vae-mini"))
    base = tmp_path / "longer.safetensors"
    base.write_bytes(mini.read_bytes() + bytes(8))
    result = show(path, tmp_path / "out", replace(QUICK, base=base))
    assert (result["verdict"], result["code"]) == ("skipped", "smoke.base_file")
