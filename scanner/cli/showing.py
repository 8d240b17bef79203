"""How reports are shown: a table for people, JSON lines for programs, SARIF for other tools."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from scanner.cli.words import Paint, plain
from scanner.report import Json

Report = dict[str, Json]

#: A jail that lacks one of these is weaker than it should be; the others depend on who runs it.
LAYERS = ("no-new-privs", "landlock", "rlimits", "seccomp")


class Shown(Protocol):
    """Takes one file after the other, in the order given; then the exit status, and how many
    things of which kind were left out in folders."""

    def report(self, path: Path, report: Report) -> None: ...

    def problem(self, path: Path, code: str, text: str) -> None: ...

    def end(self, status: int, left_out: Mapping[str, int]) -> None: ...


def missing_layers(report: Report) -> tuple[str, ...]:
    held = report.get("sandbox")
    return tuple(layer for layer in LAYERS if isinstance(held, list) and layer not in held)


def passed_over(left_out: Mapping[str, int]) -> str:
    return "left out in folders: " + ", ".join(f"{n} × {what}" for what, n in left_out.items())


class Lines:
    """One JSON object a line."""

    def report(self, path: Path, report: Report) -> None:
        print(json.dumps(report), flush=True)

    def problem(self, path: Path, code: str, text: str) -> None:
        print(f"weighhouse: {plain(text)}", file=sys.stderr)

    def end(self, status: int, left_out: Mapping[str, int]) -> None:
        pass


class Tables:
    """A report after the other; after several the sum, and what the sandbox lacked."""

    def __init__(self) -> None:
        self._paint = Paint(sys.stdout)
        self._counts: Counter[str] = Counter()
        self._missing: dict[str, None] = {}

    def report(self, path: Path, report: Report) -> None:
        from scanner.cli import table

        print(table.text(report, self._paint), flush=True)
        safety = report.get("safety")
        if isinstance(safety, dict):
            self._counts[str(safety.get("verdict"))] += 1
        else:
            self._counts["read"] += 1
        self._missing.update(dict.fromkeys(missing_layers(report)))

    def problem(self, path: Path, code: str, text: str) -> None:
        self._counts["could not be opened"] += 1
        print(f"weighhouse: {plain(text)}", file=sys.stderr)

    def end(self, status: int, left_out: Mapping[str, int]) -> None:
        from scanner.cli import table

        if self._counts.total() > 1:
            print(table.summary(self._counts, self._paint), flush=True)
        if left_out:
            print(f"weighhouse: {passed_over(left_out)}", file=sys.stderr)
        if self._missing:
            lacking = ", ".join(self._missing)
            print(
                f"weighhouse: the sandbox lacks {lacking} here; see python -m scanner selftest",
                file=sys.stderr,
            )
