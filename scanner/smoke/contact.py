"""The contact sheet: every picture of a run on one, group by group, with short captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from scanner.smoke.outcome import Picture

FILE = "contact-sheet.webp"
SIZE = "sheet"
_TILE, _GAP, _LINE = 256, 16, 20
_TEXT = 13
#: More than any line holds.
_CHARACTERS = 400
_ACROSS = 4
_GROUND, _INK = (246, 246, 244), (64, 64, 64)
_QUALITY = 85

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Tile(NamedTuple):
    image: Image.Image
    caption: str


class _Row(NamedTuple):
    """Pictures that belong side by side; ``heading`` is empty where captions say everything."""

    tiles: Sequence[_Tile]
    heading: str = ""


def sheet(images: Sequence[Picture], folder: Path) -> Picture | None:
    """Write the sheet of the full-size pictures in ``folder``; None where there is none."""
    full = [item for item in images if item.size == "full"]
    if not full:
        return None
    drawn = _drawn(_rows(full, folder), ImageFont.load_default(_TEXT))
    drawn.save(folder / FILE, "WEBP", quality=_QUALITY, method=4)
    return replace(
        full[0], file=FILE, size=SIZE, width=drawn.width, height=drawn.height, prompt="",
        parameters="", strength=None, group=0,
    )  # fmt: skip


def _rows(full: Sequence[Picture], folder: Path) -> list[_Row]:
    """A row for each group; groups of one picture share rows."""
    rows: list[_Row] = []
    single: list[_Tile] = []
    ordered = sorted(full, key=lambda item: item.group)
    for _, members in groupby(ordered, key=lambda item: item.group):
        group = list(members)
        if len(group) == 1:
            single.append(_Tile(_small(folder / group[0].file), group[0].prompt))
            continue
        tiles = [_Tile(_small(folder / item.file), _caption(item)) for item in group]
        shown = next((item for item in group if item.role == "model"), group[0])
        rows.append(_Row(tiles, shown.prompt))
    rows += [_Row(single[at : at + _ACROSS]) for at in range(0, len(single), _ACROSS)]
    return rows


def _caption(item: Picture) -> str:
    if item.role == "base":
        return "without"
    if item.role == "reference":
        return "reference"
    return "with" if item.strength is None else f"strength {item.strength:g}"


def _small(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
        return image.convert("RGB")


def _drawn(rows: Sequence[_Row], font: Font) -> Image.Image:
    tile = max(item.image.width for row in rows for item in row.tiles)
    columns = max(len(row.tiles) for row in rows)
    heights = [_height(row) for row in rows]
    size = _GAP + columns * (tile + _GAP), _GAP + sum(heights)
    drawn = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(drawn)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        below = top
        if row.heading:
            text = _cut(row.heading, font, size[0] - 2 * _GAP)
            draw.text((_GAP, top), text, fill=_INK, font=font)
            below += _LINE
        for column, item in enumerate(row.tiles):
            left = _GAP + column * (tile + _GAP)
            drawn.paste(item.image, (left, below))
            caption = _cut(item.caption, font, tile)
            draw.text((left, below + item.image.height + 2), caption, fill=_INK, font=font)
        top += height
    return drawn


def _height(row: _Row) -> int:
    heading = _LINE if row.heading else 0
    return heading + max(item.image.height for item in row.tiles) + _LINE + _GAP


def _cut(text: str, font: Font, width: int) -> str:
    """The text as far as it fits on one line."""
    line = " ".join(text[:_CHARACTERS].split())
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"
