from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanner.smoke import contact
from scanner.smoke.outcome import Picture

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 30), (30, 30, 200)


def picture(
    folder: Path,
    name: str,
    colour: tuple[int, int, int],
    *,
    group: int = 1,
    role: str = "model",
    size: int = 128,
    strength: float | None = None,
) -> Picture:
    Image.new("RGB", (size, size), colour).save(folder / name, "WEBP", lossless=True)
    return Picture(
        name, "full", size, size, 7, "a prompt", 4, 7.0, "…", role, strength, group
    )  # fmt: skip


def drawn(images: list[Picture], folder: Path) -> Image.Image:
    made = contact.sheet(images, folder)
    assert made is not None
    image = Image.open(folder / made.file).convert("RGB")
    assert image.size == (made.width, made.height)
    return image


def middle(image: Image.Image, colour: tuple[int, int, int]) -> tuple[float, float]:
    """Where the pixels of about this colour lie, on average: across and down."""
    near = np.abs(np.asarray(image, np.int16) - np.asarray(colour)).max(axis=2) < 24
    down, across = np.nonzero(near)
    assert len(down) > 5_000
    return float(across.mean()), float(down.mean())


def test_pictures_of_a_group_lie_side_by_side(tmp_path: Path) -> None:
    images = [
        picture(tmp_path, "a.webp", RED, role="base"),
        picture(tmp_path, "b.webp", GREEN, strength=1.0),
        picture(tmp_path, "c.webp", BLUE, group=2, role="base"),
        picture(tmp_path, "d.webp", (0, 0, 0), group=2, strength=1.0),
    ]
    image = drawn(images, tmp_path)
    red, green, blue = (middle(image, colour) for colour in (RED, GREEN, BLUE))
    assert red[1] == pytest.approx(green[1], abs=1)
    assert red[0] < green[0] - 100
    assert blue[0] == pytest.approx(red[0], abs=1)
    assert blue[1] > red[1] + 100


def test_single_pictures_share_a_row(tmp_path: Path) -> None:
    images = [
        picture(tmp_path, "a.webp", RED), picture(tmp_path, "b.webp", GREEN, group=2)
    ]  # fmt: skip
    image = drawn(images, tmp_path)
    assert middle(image, RED)[1] == pytest.approx(middle(image, GREEN)[1], abs=1)


def test_pictures_are_made_smaller_and_never_larger(tmp_path: Path) -> None:
    assert drawn([picture(tmp_path, "a.webp", RED, size=64)], tmp_path).width < 128
    assert drawn([picture(tmp_path, "a.webp", RED, size=1024)], tmp_path).width < 300


def test_a_long_prompt_is_cut(tmp_path: Path) -> None:
    long = picture(tmp_path, "a.webp", RED)
    other = Picture("a.webp", "full", 128, 128, 7, "w" * 10_000, 4, 7.0, "")
    assert drawn([other], tmp_path).size == drawn([long], tmp_path).size


def test_no_picture_makes_no_sheet(tmp_path: Path) -> None:
    assert contact.sheet([], tmp_path) is None
