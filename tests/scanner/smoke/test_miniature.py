"""The trained miniature draws what it is told, and what is broken about a file shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from scanner import smoke
from scanner.smoke import miniature
from scanner.smoke.miniature.judging import see
from scanner.smoke.miniature.parts import WEIGHTS
from tests.scanner.smoke import damage
from tests.scanner.smoke.files import write

pytest.importorskip("torch")
pytest.importorskip("diffusers")

Json = dict[str, Any]
Pixels = NDArray[np.float32]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return miniature.files(tmp_path_factory.mktemp("miniature"))


def show(path: Path, out: Path, **options: Any) -> Json:
    return dict(smoke.run(path, out, options=smoke.Options(device="cpu", **options)))


def on_base(files: dict[str, Path], name: str, out: Path, **options: Any) -> Json:
    path = files[name]
    if path.suffix != ".safetensors":
        from scanner import convert

        path = out.with_suffix(".safetensors")
        convert.to_file(files[name], path)
    return show(path, out, base=files["mini.safetensors"], **options)


def check(result: Json, name: str) -> Json:
    return next(item for item in result["checks"] if item["name"] == name)


def pictures(result: Json, out: Path, role: str = "model", strength: float | None = None) -> Any:
    """Prompt → full-size pixels from 0 to 1."""
    found: dict[str, Pixels] = {}
    for item in result["images"]:
        if (item["size"], item["role"], item["strength"]) == ("full", role, strength):
            with Image.open(out / item["file"]) as image:
                found[item["prompt"]] = np.asarray(image.convert("RGB"), np.float32) / 255
    return found


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shown")


@pytest.fixture(scope="module")
def shown(files: dict[str, Path], out: Path) -> Json:
    return show(files["mini.safetensors"], out)


def test_it_passes_without_remarks(shown: Json) -> None:
    remarks = [item for item in shown["checks"] if item["outcome"] not in ("passed", "skipped")]
    assert remarks == []
    assert shown["verdict"] == "passed"


def test_it_predicts_noise_as_a_trained_model_does(shown: Json) -> None:
    assert check(shown, "unet")["value"] < 0.5


def test_a_red_circle_is_red_and_a_blue_square_is_blue(shown: Json, out: Path) -> None:
    made = pictures(shown, out)
    assert len(made) >= 2
    for prompt, pixels in made.items():
        _, colour, *_ = prompt.split()
        seen = see(pixels)
        assert seen.colour == colour, prompt
        assert 0.02 < seen.share < 0.7


def test_a_red_circle_is_a_circle(shown: Json, out: Path) -> None:
    pixels = next(value for text, value in pictures(shown, out).items() if "red circle" in text)
    seen = see(pixels)
    assert seen.shape == "circle"
    assert seen.likeness > 0.8


def test_the_words_decide(files: dict[str, Path], tmp_path: Path) -> None:
    asked = ("a large yellow circle", "a small purple square", "nonsense words, a cyan circle")
    result = show(files["mini.safetensors"], tmp_path, prompts=asked)
    seen = {text: see(pixels) for text, pixels in pictures(result, tmp_path).items()}
    assert [seen[text].colour for text in asked] == ["yellow", "purple", "cyan"]
    assert seen[asked[0]].share > 1.5 * seen[asked[1]].share


@pytest.fixture(scope="module")
def broken(
    files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Json, Path]]:
    folder = tmp_path_factory.mktemp("broken")
    tensors = safetensors.numpy.load_file(files["mini.safetensors"])
    results = {}
    for name, breaking in damage.KINDS.items():
        path = write(folder / f"{name}.safetensors", breaking(dict(tensors)))
        results[name] = (show(path, folder / name, pictures=1), folder / name)
    return results


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("not a number", "failed", "smoke.weights"),
        ("without a layer", "failed", "smoke.incomplete"),
        ("grey", "failed", None),
        ("dead", "warned", None),
        ("untrained", "warned", None),
        ("deaf", "warned", None),
    ],
)
def test_what_is_broken_is_told(
    broken: dict[str, tuple[Json, Path]], name: str, verdict: str, code: str | None
) -> None:
    result, _ = broken[name]
    assert result["verdict"] == verdict
    assert result.get("code") == code


@pytest.mark.parametrize(
    ("name", "which"),
    [("grey", "blank"), ("dead", "unet"), ("untrained", "unet"), ("deaf", "prompt")],
)
def test_the_check_that_speaks_is_that_of_the_broken_part(
    broken: dict[str, tuple[Json, Path]], name: str, which: str
) -> None:
    result, _ = broken[name]
    assert check(result, which)["outcome"] in ("warned", "failed")
    if which != "unet":
        assert check(result, "unet")["outcome"] == "passed"


@pytest.mark.parametrize("name", ["foreign VAE", "foreign text encoder"])
def test_a_part_of_another_model_spoils_the_picture(
    broken: dict[str, tuple[Json, Path]], name: str
) -> None:
    result, out = broken[name]
    (pixels,) = pictures(result, out).values()
    seen = see(pixels)
    assert (seen.colour, seen.shape) != ("red", "circle") or seen.likeness < 0.8


def test_words_hardly_help_with_a_foreign_text_encoder(
    shown: Json, broken: dict[str, tuple[Json, Path]]
) -> None:
    # It says something, and by chance that may even help a little.
    helped = [check(one, "prompt")["value"] for one in (broken["foreign text encoder"][0], shown)]
    assert helped[0] < helped[1] / 4


def test_the_vae_gives_the_reference_picture_back(files: dict[str, Path], tmp_path: Path) -> None:
    result = on_base(files, "mini.vae.pt", tmp_path / "vae", pictures=1)
    assert check(result, "psnr")["outcome"] == "passed"
    assert check(result, "psnr")["value"] > 22


def test_a_foreign_vae_does_not(files: dict[str, Path], tmp_path: Path) -> None:
    tensors = safetensors.numpy.load_file(files["mini.safetensors"])
    own = {
        name.removeprefix(damage.VAE): value
        for name, value in damage.foreign_vae(dict(tensors)).items()
        if name.startswith(damage.VAE)
    }
    result = show(write(tmp_path / "vae.safetensors", own), tmp_path / "out", pictures=1)
    assert check(result, "psnr")["outcome"] == "warned"


def corners(pixels: Pixels) -> Pixels:
    """The mean colour where no shape is."""
    cut = [pixels[:6, :6], pixels[:6, -6:], pixels[-6:, :6], pixels[-6:, -6:]]
    mean: Pixels = np.median(np.concatenate([part.reshape(-1, 3) for part in cut]), axis=0)
    return mean


def test_the_lora_draws_blueprints(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "lora"
    result = on_base(
        files, "mini-lora.safetensors", out, trigger=miniature.TRIGGER, prompts=("a red circle",)
    )
    assert result["verdict"] in ("passed", "warned"), result
    (without,) = pictures(result, out, "base").values()
    (within,) = pictures(result, out, "model", 1.0).values()
    blueness = [float(c[2] - c[0]) for c in (corners(without), corners(within))]
    assert blueness[1] > blueness[0] + 0.12
    assert see(within).share > 0


def test_the_embedding_is_a_purple_star(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "mini-embedding"
    result = on_base(files, "mini-embedding.pt", out, prompts=("a picture of mini-embedding",))
    assert result["verdict"] == "passed", result
    (within,) = pictures(result, out, "model", 1.0).values()
    assert see(within).colour == "purple"


def test_the_hypernetwork_warms_the_picture(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "hypernetwork"
    result = on_base(files, "mini-hypernetwork.pt", out, prompts=("a red circle",))
    assert result["verdict"] == "passed", result
    (without,) = pictures(result, out, "base").values()
    (within,) = pictures(result, out, "model", 1.0).values()
    warmth = [float(c[0] - c[2]) for c in (corners(without), corners(within))]
    assert warmth[1] > warmth[0] + 0.05


def test_the_package_stays_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 12_000_000
