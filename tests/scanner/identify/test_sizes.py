"""The sizes of released files follow from components and precisions."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from scanner.identify import known, sizes

_CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "identify"
_BASES = {
    "stable diffusion 1": ("sd1",),
    "stable diffusion 2": ("sd2",),
    "stable_diffusion_xl": ("sdxl", "sdxl-refiner"),
}


@pytest.mark.parametrize(
    ("size", "base", "parts"),
    [
        (2_132_856_622, "sd1", {"unet": "fp16", "text_encoder": "fp16", "vae": "fp16"}),
        (7_703_807_346, "sd1",
         {"unet": "fp32", "ema": "fp32", "text_encoder": "fp32", "vae": "fp32"}),
        (5_214_865_159, "sd2", {"unet": "fp32", "text_encoder": "fp32", "vae": "fp32"}),
        (1_719_100_000, "sd1", {"unet": "fp16"}),
    ],
)  # fmt: skip
def test_well_known_sizes(size: int, base: str, parts: dict[str, str]) -> None:
    found = sizes.nearest(size, base)
    assert found is not None
    assert dict(found.parts) == parts


def test_an_unknown_base_has_no_makeup() -> None:
    assert sizes.nearest(1, "anima") is None


def test_the_published_sizes_of_known_files_are_explained() -> None:
    """Digest, size and architecture come from three sources; they have to agree."""
    bases = {"sd1": "sd1", "sd2": "sd2", "sdx": "sdxl"}
    released = [
        (item.name, item.size, bases[item.release[:3]])
        for item in known.RELEASES.values()
        if item.size and item.release and item.release[:3] in bases
    ]
    assert len(released) >= 9
    for name, size, base in released:
        found = sizes.nearest(size, base)
        assert found is not None
        assert abs(found.bytes - size) <= size / 1000, name


def test_nine_of_ten_released_files_are_explained_within_a_thousandth() -> None:
    if not _CORPUS.is_dir():
        pytest.skip("needs the corpora beside the project, which are no part of it")
    with (_CORPUS / "horde_sizes.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    known = [row for row in rows if row["baseline"] in _BASES and row["size"].isdigit()]
    assert len(known) > 100
    explained = 0
    for row in known:
        size = int(row["size"])
        found = [sizes.nearest(size, base) for base in _BASES[row["baseline"]]]
        explained += any(item and abs(item.bytes - size) <= size / 1000 for item in found)
    assert explained >= 0.9 * len(known)
