"""Text for a terminal: nothing that a stranger wrote reaches it unescaped."""

from __future__ import annotations

import os
from typing import TextIO

_COLOURS = {
    "clean": "32", "note": "36", "suspicious": "33", "unreadable": "35", "malicious": "31",
    "dim": "2", "bold": "1", "head": "1", "python": "36",
}  # fmt: skip
_NARROWEST = 20
_UNITS = ("B", "kB", "MB", "GB", "TB")


def readable(text: str) -> str:
    """A path's bytes that are no UTF-8 as escapes: what is left is text that every reader takes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def plain(text: str) -> str:
    """Printable on one line; control and other odd characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return (
        "".join(
            sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
        )
        .encode("utf-8", "backslashreplace")
        .decode()
    )


def size(count: int) -> str:
    """Decimal units, three digits."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    places = 0 if not unit or value >= 99.5 else 1 if value >= 9.995 else 2
    return f"{value:.{places}f} {_UNITS[unit]}"


def folded(text: str, inset: int, width: int | None) -> list[str]:
    """``text`` in lines of at most ``width`` columns, all but the first inset."""
    if width is None or inset + len(text) <= width:
        return [text]
    from textwrap import wrap  # only where a line is long

    room = max(width - inset, _NARROWEST)
    lines = wrap(text, room, break_on_hyphens=False, break_long_words=False)
    return [lines[0], *(" " * inset + line for line in lines[1:])] if lines else [text]


def _columns() -> int:
    # Here and not above: a program that reads our output waits for every import.
    from shutil import get_terminal_size

    return get_terminal_size().columns


class Paint:
    """Colours where they are seen: in a terminal, unless NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        terminal = stream.isatty()
        self.coloured = terminal and not os.environ.get("NO_COLOR")
        #: Columns, or None where nobody folds lines.
        self.width = _columns() if terminal else None

    def __call__(self, text: str, colour: str) -> str:
        code = _COLOURS.get(colour)
        return f"\x1b[{code}m{text}\x1b[0m" if self.coloured and code else text
