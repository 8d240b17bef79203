"""The command line that the fuzzers of files share: ``--cases N --seed S``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

#: Seed, number of cases, and what is told of the progress; the exit status.
Run = Callable[[str, int, Callable[[str], None]], int]


def main(run: Run, description: str) -> int:
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    return run(given.seed, given.cases, lambda line: print(line, flush=True))
