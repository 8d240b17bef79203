"""Where a file's bytes go: a stacked bar and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.portal.presenters import words

#: The bar is measured in percent; a segment is wide enough to be seen.
WIDTH = 100.0
LEAST = 0.3
#: A word in a row's name → its colour in the stylesheet, the first that fits.
_TONES = (
    ("ema", "ema"),
    ("unet", "unet"),
    ("transformer", "unet"),
    ("text", "text"),
    ("clip", "text"),
    ("vae", "vae"),
    ("lora", "unet"),
    ("adapter", "unet"),
    ("embedding", "text"),
    ("hypernetwork", "unet"),
    ("optimi", "junk"),
    ("loss", "junk"),
    ("junk", "junk"),
    ("unexplained", "junk"),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """``x`` and ``width`` in percent of the bar; ``share`` of the file, in words."""

    what: str
    bytes: str
    share: str
    tone: str
    removable: bool
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class LedgerBar:
    segments: tuple[Segment, ...]
    total: str
    summary: str
    #: What is odd about the sizes, in sentences.
    anomalies: tuple[str, ...]
    removable: str
    lossless_minimum: str


def view(data: Mapping[str, Any] | None, total: int) -> LedgerBar | None:
    """None where there is no ledger."""
    if not data or not total:
        return None
    rows = [(str(r["what"]), int(r["bytes"]), bool(r.get("removable"))) for r in data["rows"]]
    unexplained = int(data.get("unexplained") or 0)
    if unexplained:
        rows.append(("Unexplained", unexplained, False))
    # What stays first: what could go is one piece at the end of the bar.
    rows = sorted((row for row in rows if row[1]), key=lambda row: (row[2], -row[1]))
    removable = int(data.get("removable") or 0)
    return LedgerBar(
        segments=_segments(rows, total),
        total=words.size(total),
        summary=words.visible(str(data.get("summary") or "")),
        anomalies=tuple(words.visible(str(said)) for said in data.get("anomalies") or ()),
        removable=words.size(removable) if removable else "",
        lossless_minimum=words.size(int(data.get("lossless_minimum") or 0)),
    )


def _segments(rows: list[tuple[str, int, bool]], total: int) -> tuple[Segment, ...]:
    segments = []
    x = 0.0
    for what, count, removable in rows:
        width = WIDTH * count / total
        segments.append(
            Segment(
                what=words.visible(what),
                bytes=words.size(count),
                share=_share(count, total),
                tone=_tone(what),
                removable=removable,
                x=round(x, 2),
                width=round(max(width, LEAST), 2),
            )
        )
        x += width
    return tuple(segments)


def _share(count: int, total: int) -> str:
    percent = 100 * count / total
    return f"{percent:.0f} %" if percent >= 1 else "under 1 %"


def _tone(what: str) -> str:
    lower = what.lower()
    return next((tone for word, tone in _TONES if word in lower), "other")
