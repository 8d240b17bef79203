"""How far the work is: JSON lines for a program, a bar for a person, else silence."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable

from scanner.cli.words import plain, size

Tell = Callable[[str, int, int], None]

_BETWEEN = 0.2  # seconds: five a second
_BAR = 20


class Progress:
    """What is shown on standard error while files are worked on."""

    def __init__(self, *, lines: bool, files: int = 1) -> None:
        self._lines = lines
        self._bar = not lines and sys.stderr.isatty()
        self._files = files
        self._finished = 0
        self._last = 0.0

    def of(self, name: str) -> Tell | None:
        """The function that one file's work tells; None where nobody looks."""
        if not (self._lines or self._bar):
            return None
        return lambda step, done, total: self._told(name, step, done, total)

    def in_lane(self, name: str) -> Tell | None:
        """The same for one of several processes: lines mix well, bars do not."""
        return self.of(name) if self._lines else None

    def _told(self, name: str, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _BETWEEN and done < total:
            return
        self._last = now
        if self._lines:
            body: dict[str, object] = {"step": step, "done": done, "total": total}
            if self._files > 1:
                body["name"] = name
            # In one write: lines of several processes do not run into each other.
            sys.stderr.write(json.dumps({"progress": body}) + "\n")
            sys.stderr.flush()
        else:
            self._draw(name, step, done, total)

    def _draw(self, name: str, step: str, done: int, total: int) -> None:
        share = min(done / total, 1.0) if total else 1.0
        bar = "█" * round(share * _BAR)
        counter = f"{self._finished + 1}/{self._files} " if self._files > 1 else ""
        amount = f"{size(done)} of {size(total)}" if total > 10_000 else f"{done} of {total}"
        text = f"{counter}{plain(name)}  {step} {bar:░<{_BAR}} {share:4.0%}  {amount}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{text[:width]}", end="", file=sys.stderr, flush=True)

    def finished(self) -> None:
        """One more file is done."""
        self._finished += 1
        if self._bar and 1 < self._files != self._finished:
            self._draw("files", "read", self._finished, self._files)

    def clear(self) -> None:
        """Take the bar away, so that other output has the line."""
        if self._bar:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
