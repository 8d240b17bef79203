"""Tensors mapped from a file: one part at a time, and whether they are numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from scanner.smoke import weights  # noqa: E402
from scanner.smoke.places import Place  # noqa: E402

PLACES = (
    Place("unet", "sd1-mini", "ldm-unet", "model.diffusion_model."),
    Place("vae", "vae-mini", "ldm-vae", "first_stage_model."),
    Place("text_encoder", "clip-mini", "clip", "cond_stage_model.transformer.text_model."),
)


def mappings(path: Path) -> int:
    """How many times this process has the file mapped: each counts against an address space."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    return sum(line.endswith(str(path)) for line in maps.splitlines())


def test_parts_are_read_when_asked_for_and_let_go(mini: Path) -> None:
    parts = weights.parts(mini, PLACES)
    assert mappings(mini) == 0
    for place in PLACES:
        state = parts[place.part]()
        assert state
        assert mappings(mini) == 1
        del state
        assert mappings(mini) == 0


def test_all_tensors_are_looked_at_with_one_mapping_at_a_time(mini: Path) -> None:
    most, names = 0, []
    for name, _tensor in weights.tensors(mini, PLACES):
        names.append(name)
        most = max(most, mappings(mini))
    del _tensor
    # The part before goes when the next one has been read.
    assert most <= 2
    assert mappings(mini) == 0
    assert all(any(name.startswith(place.prefix) for place in PLACES) for name in names)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn"])
@pytest.mark.parametrize("count", [1, 7, 16, 33, 1000])
def test_one_value_that_is_no_number_is_found_wherever_it_is(dtype: str, count: int) -> None:
    kind = getattr(torch, dtype)
    sound = torch.linspace(-2, 2, count).to(kind)
    assert weights.finite_check([("a", sound)]).outcome == "passed"
    bad = [float("nan")] if dtype.startswith("float8") else [float("nan"), float("inf")]
    for value in [*bad, *(-value for value in bad)]:
        for place in {0, count // 2, count - 1}:
            broken: Any = sound.clone()
            broken[place] = value
            check = weights.finite_check([("a", sound), ("b", broken)])
            assert check.outcome == "failed"
            assert "b" in check.message


def test_nothing_and_whole_numbers_are_finite() -> None:
    held = [("none", torch.empty(0)), ("ids", torch.arange(77))]
    assert weights.finite_check(held).outcome == "passed"
