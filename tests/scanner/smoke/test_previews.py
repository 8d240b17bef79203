from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from scanner.smoke.previews import Making, parameters, save
from scanner.smoke.prompts import Prompt

MAKING = Making(
    prompt=Prompt("Zoë's 灯台, at night", 42, "blurry"),
    steps=20,
    guidance=7.0,
    sampler="DDIM",
    model="model",
    version="Weighhouse 1",
    width=768,
    height=512,
)


def test_parameters_read_as_webui_writes_them() -> None:
    assert parameters(MAKING) == (
        "Zoë's 灯台, at night\n"
        "Negative prompt: blurry\n"
        "Steps: 20, Sampler: DDIM, CFG scale: 7, Seed: 42, Size: 768x512, Model: model, "
        "Version: Weighhouse 1"
    )


def test_the_aspect_is_kept_in_every_size(tmp_path: Path) -> None:
    pictures = save(Image.new("RGB", (768, 512)), tmp_path, "p", MAKING)
    assert [(item.size, item.width, item.height) for item in pictures] == [
        ("full", 768, 512), ("medium", 384, 256), ("small", 192, 128),
    ]  # fmt: skip


@pytest.mark.parametrize("side", [64, 192, 300])
def test_a_picture_is_never_enlarged(tmp_path: Path, side: int) -> None:
    pictures = save(Image.new("RGB", (side, side)), tmp_path, "p", MAKING)
    assert max(item.width for item in pictures) == side


def test_the_full_picture_carries_its_parameters(tmp_path: Path) -> None:
    full, medium, _ = save(Image.new("RGB", (400, 400)), tmp_path, "p", MAKING)
    with Image.open(tmp_path / full.file) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == parameters(MAKING)
    with Image.open(tmp_path / medium.file) as image:
        assert not image.getexif()
