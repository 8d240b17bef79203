from __future__ import annotations

import numpy as np
import pytest

from scanner.smoke.outcome import Check, Outcome
from scanner.smoke.picture import Figures, Pixels, judge, measure
from scanner.smoke.reference import drawn, pixels


def outcomes(*pictures: Pixels) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in judge([measure(item) for item in pictures])}


def noise(spread: float = 0.3) -> Pixels:
    random = np.random.default_rng(2)
    return np.clip(random.normal(0.5, spread, (128, 128, 3)), 0, 1).astype(np.float32)


def test_the_reference_picture_is_sound() -> None:
    assert set(outcomes(pixels(drawn(256))).values()) == {Outcome.PASSED}


def test_a_value_that_is_no_number_fails() -> None:
    broken = pixels(drawn(64))
    broken[3, 4, 1] = np.nan
    assert outcomes(broken) == {"finite": Outcome.FAILED}


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_an_even_picture_fails_as_blank(level: float) -> None:
    assert outcomes(np.full((64, 64, 3), level, np.float32))["blank"] is Outcome.FAILED


def test_a_grey_picture_is_warned_of() -> None:
    grey = np.repeat(pixels(drawn(128)).mean(axis=2, keepdims=True), 3, axis=2)
    found = outcomes(grey)
    assert found["colour"] is Outcome.WARNED
    assert found["blank"] is Outcome.PASSED


def test_a_washed_out_picture_is_warned_of() -> None:
    assert outcomes(0.5 + pixels(drawn(128)) * 0.2)["contrast"] is Outcome.WARNED


def test_colours_of_one_brightness_are_not_washed_out() -> None:
    halves = np.full((128, 128, 3), 0.5, np.float32)
    halves[:64] += (0.2, -0.2, 0.04)
    halves[64:] += (-0.2, 0.2, -0.04)
    found = outcomes(halves)
    assert found["contrast"] is Outcome.PASSED
    assert found["blank"] is Outcome.FAILED


def test_two_tones_are_few() -> None:
    halves = np.zeros((64, 64, 3), np.float32)
    halves[:32] = (1.0, 0.5, 0.0)
    assert outcomes(halves)["tones"] is Outcome.WARNED


def test_noise_is_warned_of() -> None:
    assert outcomes(noise())["structure"] is Outcome.WARNED


def test_the_worst_of_several_pictures_counts() -> None:
    found = outcomes(pixels(drawn(128)), noise())
    assert found["structure"] is Outcome.WARNED


def test_a_check_carries_value_and_threshold() -> None:
    blank: Check = next(
        check for check in judge([Figures(True, std=0.011)]) if check.name == "blank"
    )
    assert (blank.value, blank.threshold) == (0.011, 0.02)
