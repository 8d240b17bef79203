"""Is a picture sound? Figures first, then the checks.

The thresholds were set without a genuine checkpoint at hand: a hint for the reviewer. Only a
picture that is not finite, or blank, fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scanner.smoke.outcome import Check, Outcome

Pixels = NDArray[np.float32]

BLANK_STD = 0.02
GREY_CHROMA = 0.02
WASHED_STD = 0.06
WASHED_ENTROPY = 4.0
NOISE_CORRELATION = 0.5
_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one picture with values from 0 to 1; ``std`` of its brightness, ``contrast`` that of the
    channel that varies most, for red on green of one brightness is no pale picture; ``entropy`` in
    bits of the 256 grey levels, ``correlation`` between the means of neighbouring 8×8 blocks."""

    finite: bool
    std: float = 0.0
    contrast: float = 0.0
    chroma: float = 0.0
    entropy: float = 0.0
    correlation: float = 0.0


def measure(pixels: Pixels) -> Figures:
    """Figures of height × width × 3 pixels."""
    if not np.isfinite(pixels).all():
        return Figures(finite=False)
    grey = pixels.mean(axis=2)
    counts, _ = np.histogram(grey, bins=256, range=(0.0, 1.0))
    shares = counts[counts > 0] / grey.size
    return Figures(
        finite=True,
        std=float(grey.std()),
        contrast=float(pixels.std(axis=(0, 1)).max()),
        chroma=float((pixels.max(axis=2) - pixels.min(axis=2)).mean()),
        entropy=float(-(shares * np.log2(shares)).sum()),
        correlation=_correlation(grey),
    )


def _correlation(grey: Pixels) -> float:
    """Lag-1 autocorrelation of the block means, across and down; 1 for an even picture."""
    rows, columns = grey.shape[0] // _BLOCK, grey.shape[1] // _BLOCK
    cut = grey[: rows * _BLOCK, : columns * _BLOCK]
    means = cut.reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3))
    centred = means - means.mean()
    variance = float((centred**2).mean())
    if variance < 1e-12:
        return 1.0
    across = float((centred[:, 1:] * centred[:, :-1]).mean())
    down = float((centred[1:] * centred[:-1]).mean())
    return (across + down) / 2 / variance


def judge(pictures: Sequence[Figures]) -> tuple[Check, ...]:
    """One check a question; its value is that of the worst picture."""
    broken = sum(not figures.finite for figures in pictures)
    if broken:
        return (
            Check(
                "finite",
                Outcome.FAILED,
                f"{broken} of {len(pictures)} pictures hold values that are not finite.",
                float(broken),
                0.0,
            ),
        )
    std = min(figures.std for figures in pictures)
    return (
        Check("finite", Outcome.PASSED, "Every value of every picture is finite.", 0.0, 0.0),
        _at_least(
            "blank",
            std,
            BLANK_STD,
            "A picture is blank: its brightness hardly varies.",
            "The pictures are not blank.",
            Outcome.FAILED,
        ),
        _at_least(
            "colour",
            min(figures.chroma for figures in pictures),
            GREY_CHROMA,
            "A picture is grey: next to no colour, as after a damaged or foreign VAE.",
            "The pictures have colour.",
        ),
        _at_least(
            "contrast",
            min(figures.contrast for figures in pictures),
            WASHED_STD,
            "A picture is washed out: little contrast, as with a damaged or foreign VAE.",
            "The pictures have contrast.",
        ),
        _at_least(
            "tones",
            min(figures.entropy for figures in pictures),
            WASHED_ENTROPY,
            "A picture has few tones: flat or washed out.",
            "The pictures have many tones.",
        ),
        _at_least(
            "structure",
            min(figures.correlation for figures in pictures),
            NOISE_CORRELATION,
            "A picture looks like noise. Grass, gravel and star fields can look so, too.",
            "The pictures have structure.",
        ),
    )


def _at_least(
    name: str,
    value: float,
    threshold: float,
    below: str,
    above: str,
    outcome: Outcome = Outcome.WARNED,
) -> Check:
    sound = value >= threshold
    return Check(
        name,
        Outcome.PASSED if sound else outcome,
        above if sound else below,
        round(value, 4),
        threshold,
    )
