"""The prompt sheet: the same prompts and seeds for every model of a base, so that pictures in
the catalogue can be compared. Plain subjects on purpose: they show colour, shape and texture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    seed: int
    negative: str = ""


_NEGATIVE = "blurry, low quality"
_SENTENCES = (
    Prompt("a lighthouse on a rocky coast at sunset, waves, dramatic clouds", 1001, _NEGATIVE),
    Prompt("portrait of an old fisherman with a knitted cap, soft window light", 1002, _NEGATIVE),
    Prompt("a bowl of ripe oranges on a blue wooden table, still life", 1003, _NEGATIVE),
)
_SHAPES = (
    Prompt("a red circle", 1001),
    Prompt("a blue square", 1002),
    Prompt("a green triangle", 1003),
)

SHEET: Mapping[str, tuple[Prompt, ...]] = {
    "sd1": _SENTENCES,
    "sd2": _SENTENCES,
    "sdxl": _SENTENCES,
    "sd1-mini": _SHAPES,
}


def sheet(
    base: str, count: int, *, own: tuple[str, ...] = (), seed: int | None = None
) -> tuple[Prompt, ...]:
    """``count`` prompts of the base's sheet, or all of ``own``. With ``seed``, picture i is drawn
    from ``seed + i``."""
    standard = SHEET[base]
    prompts = (
        tuple(
            Prompt(text, standard[index % len(standard)].seed, standard[0].negative)
            for index, text in enumerate(own)
        )
        or standard[:count]
    )
    if seed is None:
        return prompts
    return tuple(
        Prompt(prompt.text, seed + index, prompt.negative) for index, prompt in enumerate(prompts)
    )
