"""A model in several files becomes one, under the names that single files have."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scanner.convert import Options, Precision, foresee, to_file, writing
from scanner.convert.originals import open_clip
from scanner.convert.plan import Piece, Plan
from scanner.errors import Refused
from scanner.smoke.bases import BASES
from scanner.source import BytesSource
from scanner.tensors import Storage, Tensor, contiguous_stride
from tests.scanner.smoke.files import values

_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
_TEXT = "cond_stage_model.transformer."


@pytest.fixture(scope="module")
def original() -> dict[str, torch.Tensor]:
    """The miniature under a single file's names."""
    return {name: torch.from_numpy(np.array(value)) for name, value in values().items()}


@pytest.fixture(scope="module")
def parts(original: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The same model's parts as diffusers has them, loaded by diffusers itself."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    config = str(BASES["sd1-mini"].folder)
    text = CLIPTextModel(CLIPTextConfig.from_pretrained(config, subfolder="text_encoder"))
    encoder = {
        name.removeprefix(_TEXT): value
        for name, value in original.items() if name.startswith(_TEXT)
    }  # fmt: skip
    # Newer releases of transformers name the layers without the word in front.
    own = set(text.state_dict())
    text.load_state_dict(
        {name if name in own else name.removeprefix("text_model."): value
         for name, value in encoder.items()}, strict=False,
    )  # fmt: skip
    single = {"config": config, "local_files_only": True}
    return {
        "unet": UNet2DConditionModel.from_single_file(dict(original), subfolder="unet", **single),
        "vae": AutoencoderKL.from_single_file(dict(original), subfolder="vae", **single),
        "text_encoder": text,
    }


def saved(parts: dict[str, Any], folder: Path, **how: object) -> Path:
    for name, part in parts.items():
        part.save_pretrained(folder / name, **how)
    return folder


def same(target: Path, original: dict[str, torch.Tensor]) -> None:
    found = load_file(target)
    found.pop(_TEXT + "text_model.embeddings.position_ids", None)
    assert found.keys() == original.keys()
    for name, value in original.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize(
    "how",
    [{}, {"safe_serialization": False}, {"max_shard_size": "2MB"}, {"variant": "fp16"}],
    ids=["safetensors", "bin", "shards", "variant"],
)
def test_a_diffusers_folder_becomes_a_checkpoint(
    parts: dict[str, Any], original: dict[str, torch.Tensor], tmp_path: Path, how: dict[str, Any]
) -> None:
    target = tmp_path / "model.safetensors"
    to_file(saved(parts, tmp_path / "model", **how), target)
    same(target, original)


@pytest.mark.parametrize("top", ["", "my-model"])
def test_a_zip_of_a_diffusers_folder_too(
    parts: dict[str, Any], original: dict[str, torch.Tensor], tmp_path: Path, top: str
) -> None:
    folder = saved(parts, tmp_path / "in" / top)
    saved(parts, folder, variant="fp16")
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", tmp_path / "in")
    done = to_file(Path(archive), tmp_path / "model.safetensors")
    same(tmp_path / "model.safetensors", original)
    assert len(done.dropped) >= len(original) - 1


def test_of_two_forms_one_is_taken_and_the_other_named(
    parts: dict[str, Any], original: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    folder = saved(parts, tmp_path / "model")
    saved(parts, folder, variant="non_ema")
    (folder / "safety_checker").mkdir()
    save_file({"x": torch.zeros(1)}, folder / "safety_checker" / "model.safetensors")
    done = to_file(folder, tmp_path / "model.safetensors")
    same(tmp_path / "model.safetensors", original)
    dropped = {item.name for item in done.dropped}
    assert "unet/diffusion_pytorch_model.non_ema.safetensors" in dropped
    assert "safety_checker/" in dropped


def test_a_cast_reaches_every_part(parts: dict[str, Any], tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    folder = saved(parts, tmp_path / "model")
    options = Options(precision=Precision.FP16)
    expected = foresee(folder, target, options)
    assert to_file(folder, target, options).size == expected.size == target.stat().st_size
    assert {value.dtype for value in load_file(target).values()} == {torch.float16}


def test_shards_of_one_component_keep_its_names(parts: dict[str, Any], tmp_path: Path) -> None:
    parts["unet"].save_pretrained(tmp_path / "unet", max_shard_size="2MB")
    to_file(tmp_path / "unet", tmp_path / "unet.safetensors")
    assert load_file(tmp_path / "unet.safetensors").keys() == parts["unet"].state_dict().keys()


def test_a_missing_shard_is_named(parts: dict[str, Any], tmp_path: Path) -> None:
    folder = saved(parts, tmp_path / "model", max_shard_size="2MB")
    next(folder.glob("unet/*-00002-of-*")).unlink()
    with pytest.raises(Refused, match="2 are missing") as caught:
        to_file(folder, tmp_path / "model.safetensors")
    assert caught.value.code == "convert.shards"
    assert not (tmp_path / "model.safetensors").exists()


def test_a_hostile_part_is_refused_with_the_whole(parts: dict[str, Any], tmp_path: Path) -> None:
    folder = saved(parts, tmp_path / "model")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    # GLOBAL posix system, called with a word. Built from opcodes and never loaded.
    evil = b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR."
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(evil)
    with pytest.raises(Refused) as caught:
        to_file(folder, tmp_path / "model.safetensors")
    assert caught.value.code == "convert.refused"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "in" / "a.safetensors")
    save_file({"b": torch.zeros(1)}, tmp_path / "in" / "b.safetensors")
    with pytest.raises(Refused) as caught:
        to_file(tmp_path / "in", tmp_path / "model.safetensors")
    assert caught.value.code == "convert.no_model"


def piece(name: str, shape: tuple[int, ...]) -> Piece:
    """A tensor whose values count up from the number of letters in its name."""
    data = (np.arange(np.prod(shape), dtype="<f4") + len(name)).tobytes()
    storage = Storage(name, len(data), BytesSource(data))
    return Piece(name, Tensor(name, "F32", shape, contiguous_stride(shape), storage), 0, "F32",
                 shape)  # fmt: skip


def test_open_clip_has_one_matrix_for_query_key_and_value() -> None:
    layer = "encoder.layers.3."
    local = {
        name: piece(name, shape)
        for name, shape in {
            f"{layer}self_attn.q_proj.weight": (4, 4),
            f"{layer}self_attn.k_proj.weight": (4, 4),
            f"{layer}self_attn.v_proj.weight": (4, 4),
            f"{layer}self_attn.out_proj.bias": (4,),
            f"{layer}layer_norm1.weight": (4,),
            f"{layer}mlp.fc1.weight": (8, 4),
            "embeddings.position_embedding.weight": (77, 4),
            "embeddings.position_ids": (1, 77),
        }.items()
    }
    made = {item.name: item for item in open_clip(local, "m.", piece("p", (2, 4)))}
    assert {name: item.shape for name, item in made.items()} == {
        "m.transformer.resblocks.3.attn.in_proj_weight": (12, 4),
        "m.transformer.resblocks.3.attn.out_proj.bias": (4,),
        "m.transformer.resblocks.3.ln_1.weight": (4,),
        "m.transformer.resblocks.3.mlp.c_fc.weight": (8, 4),
        "m.positional_embedding": (77, 4),
        "m.text_projection": (4, 2),
    }
    together = made["m.transformer.resblocks.3.attn.in_proj_weight"]
    assert [part.name[-13:-7] for part in together.parts] == ["q_proj", "k_proj", "v_proj"]
    assert made["m.text_projection"].tensor.stride == (1, 4)


@pytest.mark.parametrize(("precision", "dtype"), [("keep", "<f4"), ("fp16", "<f2")])
def test_parts_are_written_below_each_other(tmp_path: Path, precision: str, dtype: str) -> None:
    local = {
        f"encoder.layers.0.self_attn.{name}.weight": piece(name * times, (2, 2))
        for times, name in enumerate(("q_proj", "k_proj", "v_proj"), 1)
    }
    plan = writing.with_precision(Plan(tuple(open_clip(local, ""))), Precision(precision))
    target = tmp_path / "x.safetensors"
    with target.open("wb") as file:
        writing.write(plan, file.fileno())
    found = load_file(target)["transformer.resblocks.0.attn.in_proj_weight"]
    counted = [np.arange(4) + 6 * times for times in (1, 2, 3)]
    assert found.numpy().astype(dtype).tolist() == np.concatenate(counted).reshape(6, 2).tolist()
    assert found.numpy().dtype == np.dtype(dtype)
