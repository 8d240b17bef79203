"""The descriptions, held against the released models' sizes and against each other."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import pytest

from scanner.identify.architectures import table as architectures
from scanner.identify.architectures.table import ANCHORS, ARCHITECTURES, FAMILIES
from scanner.report import Identity
from scanner.tensors import TensorTable

#: (architecture, layout): tensors and parameters of the released models.
_SIZES = {
    ("sd1", "ldm-unet"): (686, 859_520_964),
    ("sd1", "diffusers-unet"): (686, 859_520_964),
    ("sd2", "ldm-unet"): (686, 865_910_724),
    ("sd2-unclip-h", "ldm-unet"): (690, 870_173_124),
    ("sd2-unclip-l", "ldm-unet"): (690, 869_517_764),
    ("sd-x4-upscaler", "ldm-unet"): (687, 473_398_020),
    ("sdxl", "ldm-unet"): (1680, 2_567_463_684),
    ("sdxl-refiner", "ldm-unet"): (1220, 2_259_526_660),
    ("ssd-1b", "diffusers-unet"): (944, 1_331_334_404),
    ("segmind-vega", "diffusers-unet"): (564, 745_225_604),
    ("koala-700m", "diffusers-unet"): (584, 782_822_724),
    ("koala-1b", "diffusers-unet"): (790, 1_161_184_324),
    ("small-sd", "diffusers-unet"): (396, 482_346_884),
    ("tiny-sd", "diffusers-unet"): (358, 323_384_964),
    ("vae-4ch", "ldm-vae"): (248, 83_653_863),
    ("vae-4ch", "diffusers-vae"): (248, 83_653_863),
    ("vae-x4", "ldm-vae"): (204, 55_325_927),
    ("clip-l", "clip"): (196, 123_060_480),
    ("openclip-h", "open-clip"): (294, 354_032_641),
    ("openclip-g", "open-clip"): (390, 694_659_841),
    ("sd3", "mmdit"): (491, 2_084_951_104),
    ("sd3.5-medium", "mmdit"): (665, 2_469_663_936),
    ("sd3.5-large", "mmdit"): (923, 8_146_280_768),
    ("dpt-hybrid", "dpt"): (368, 123_146_985),
    ("openclip-h-both", "open-vision"): (686, 986_109_441),
}


def _row(name: str, layout: str) -> int:
    return next(
        row for row, item in enumerate(ARCHITECTURES) if (item.name, item.layout) == (name, layout)
    )


@pytest.mark.parametrize(("name", "layout"), _SIZES)
def test_sizes_are_those_of_the_released_models(name: str, layout: str) -> None:
    blueprint = architectures.blueprint(_row(name, layout))
    shapes = dict(blueprint.shapes) | dict(blueprint.spare)
    if layout == "open-clip":
        shapes |= dict(blueprint.optional)
    assert (len(shapes), sum(map(prod, shapes.values()))) == _SIZES[name, layout]


def test_every_anchor_is_a_name_of_its_layout() -> None:
    for layout, anchors in ANCHORS.items():
        names = set().union(
            *(architectures.blueprint(row).shapes for row in architectures.rows_of(layout))
        )
        assert set(anchors) <= names, layout


def test_every_layout_has_anchors_and_every_base_a_family() -> None:
    assert {item.layout for item in ARCHITECTURES} == set(ANCHORS)
    assert {base for item in ARCHITECTURES for base in item.bases} == set(FAMILIES)


@pytest.mark.parametrize("layout", ANCHORS)
def test_architectures_of_a_layout_are_pairwise_separable(layout: str) -> None:
    rows = architectures.rows_of(layout)
    for index, first in enumerate(rows):
        for second in rows[index + 1 :]:
            left, right = architectures.blueprint(first), architectures.blueprint(second)
            assert dict(left.shapes) != dict(right.shapes), (first, second)


def test_every_architecture_is_recognised_as_itself(
    make_table: Callable[..., TensorTable], known_as: Callable[..., Identity]
) -> None:
    for row, item in enumerate(ARCHITECTURES):
        blueprint = architectures.blueprint(row)
        found = known_as(make_table({**blueprint.shapes, **blueprint.spare}))
        part = next(part for part in found.components.values() if part.arch is not None)
        assert part.arch == item.name, (item.name, item.layout)
        assert not part.missing
        assert not part.misshapen
        # Several bases mean that the keys cannot tell: then all of them are named.
        if len(item.bases) == 1:
            assert found.base == item.bases[0]
        else:
            assert found.base is None
            assert found.candidates == item.bases


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "flux-dev"])
def test_input_channels_say_the_variant(
    name: str, make_table: Callable[..., TensorTable], known_as: Callable[..., Identity]
) -> None:
    for row, item in enumerate(ARCHITECTURES):
        if item.name != name or item.input is None:
            continue
        shapes = dict(architectures.blueprint(row).shapes)
        for channels, variant in item.variants.items():
            first = shapes[item.input]
            shapes[item.input] = (first[0], channels, *first[2:])
            found = known_as(make_table(shapes))
            assert found.variant == variant
            assert not any(part.misshapen for part in found.components.values())
