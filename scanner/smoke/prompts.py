"""The prompt sheet, read from ``prompts.toml`` beside this file; and families of fine-tuned models,
which are used to prompts of another style."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

DATA = Path(__file__).with_name("prompts.toml")
TEXT = "text-to-image"
SHAPES = "shapes"


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    seed: int
    negative: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Fine-tuned models that share a style of prompts; ``clip_skip`` as WebUI counts."""

    name: str
    bases: tuple[str, ...]
    words: tuple[str, ...]
    sheet: str
    before: str
    clip_skip: int | None


class _Line(TypedDict):
    seed: int
    text: str


class _Description(TypedDict):
    right: str
    wrong: str


class _Sheet(TypedDict):
    negative: str
    prompts: list[_Line]


def _sheets(written: Mapping[str, _Sheet]) -> dict[str, tuple[Prompt, ...]]:
    return {
        name: tuple(
            Prompt(line["text"], line["seed"], body["negative"]) for line in body["prompts"]
        )
        for name, body in written.items()
    }


def _families(rows: Iterable[Mapping[str, Any]]) -> dict[str, Family]:
    return {
        row["name"]: Family(
            row["name"], tuple(row["bases"]), tuple(row["words"]), row["sheet"],
            row.get("before", ""), row.get("clip_skip"),
        )
        for row in rows
    }  # fmt: skip


def _descriptions(
    bases: Mapping[str, Mapping[str, str]], written: Mapping[str, _Description]
) -> dict[str, tuple[str, str]]:
    """Shapes are described to those who are asked for shapes, the scene to all others."""
    return {
        base: (described["right"], described["wrong"])
        for base, sheets in bases.items()
        for described in [written[SHAPES if SHAPES in sheets.values() else "scene"]]
    }


_DATA = tomllib.loads(DATA.read_text(encoding="utf-8"))
SHEETS: Mapping[str, tuple[Prompt, ...]] = _sheets(_DATA["sheets"])
#: Base → what a model starts from → sheet.
BASES: Mapping[str, Mapping[str, str]] = _DATA["bases"]
FAMILIES: Mapping[str, Family] = _families(_DATA["families"])
_NEGATIVE_WORDS = frozenset(_DATA["negative"]["words"])
_NEGATIVE_PARTS: tuple[str, ...] = tuple(_DATA["negative"]["parts"])
#: Base → what its reference picture shows, and something else.
DESCRIPTIONS: Mapping[str, tuple[str, str]] = _descriptions(BASES, _DATA["descriptions"])


def is_negative(names: Iterable[str]) -> bool:
    """Whether one of an embedding's names says that it was made for the negative prompt. A guess:
    nothing else in such a file tells."""
    said = [name.lower() for name in names]
    words = {word for name in said for word in re.findall("[a-z]+", name)}
    return bool(words & _NEGATIVE_WORDS) or any(
        part in name for name in said for part in _NEGATIVE_PARTS
    )


def family_of(base: str, names: Iterable[str | None]) -> Family | None:
    """The family that a model's names give away: the first one of the table."""
    said = [name.lower() for name in names if name]
    return next(
        (
            family
            for family in FAMILIES.values()
            if base in family.bases and any(word in name for word in family.words for name in said)
        ),
        None,
    )


def sheet(
    base: str,
    count: int,
    *,
    own: tuple[str, ...] = (),
    seed: int | None = None,
    mode: str = TEXT,
    family: Family | None = None,
    trigger: str | None = None,
) -> tuple[Prompt, ...]:
    """``count`` prompts of the base's sheet, or ``own``, which are taken as they are but for the
    ``trigger`` words; an empty one stands for the sheet's. With ``seed``, picture i is drawn from
    ``seed + i``."""
    standard = _standard(base, mode, family)
    prompts: tuple[Prompt, ...] = ()
    for index, text in enumerate(text for text in own if text.strip()):
        like = standard[index % len(standard)]
        prompts += (replace(like, text=text),)
    if len(prompts) < len(own) or not own:
        prompts = (*standard[:count], *prompts)
    if trigger:
        prompts = tuple(replace(prompt, text=_with(trigger, prompt.text)) for prompt in prompts)
    if seed is None:
        return prompts
    return tuple(replace(prompt, seed=seed + index) for index, prompt in enumerate(prompts))


def _standard(base: str, mode: str, family: Family | None) -> tuple[Prompt, ...]:
    if family is None or mode != TEXT:
        return SHEETS[BASES[base][mode]]
    prompts = SHEETS[family.sheet]
    return tuple(replace(prompt, text=family.before + prompt.text) for prompt in prompts)


def _with(trigger: str, text: str) -> str:
    """Trigger words go first, where they count most; once."""
    return text if trigger.lower() in text.lower() else f"{trigger}, {text}"
