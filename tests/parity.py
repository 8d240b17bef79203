"""The same verdicts whatever Python reads, and whatever else is installed beside the scanner.

    python -m tests.parity [--pythons python3.11,python3.12,python3.13] FILE|FOLDER…

Every Python inspects every file twice: with what is installed, and with torch, numpy, fickling and
the like made impossible to import. The safety sections have to be equal, but for the pseudo-Python,
which is an illustration that fickling draws. Exit status: 0 equal, 1 not. The Pythons need nothing
installed: ``--only safety`` uses the standard library alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

#: What a verdict may not depend on.
BLOCKED = (
    "torch", "numpy", "fickling", "safetensors", "blake3", "transformers", "diffusers", "PIL",
    "yaml",
)  # fmt: skip

_ALONE = f"""
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"no module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nothing())
from scanner.cli import main
sys.exit(main(sys.argv[1:]))
"""
_AS_INSTALLED = "import sys; from scanner.cli import main; sys.exit(main(sys.argv[1:]))"

Safety = dict[str, Any]


class Environment(NamedTuple):
    python: str
    alone: bool

    def __str__(self) -> str:
        return f"{self.python}, {'the scanner alone' if self.alone else 'as installed'}"


def inspected(environment: Environment, paths: Iterable[Path], *, jobs: int = 2) -> list[Safety]:
    """The reports of ``paths``, in order, with nothing in them but name, format and safety."""
    result = subprocess.run(
        [
            environment.python, "-c", _ALONE if environment.alone else _AS_INSTALLED,
            "inspect", "--json", "--only", "safety", "--jobs", str(jobs), *map(str, paths),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode not in (0, 1):
        raise RuntimeError(f"{environment}: {result.stderr}")
    return [_comparable(json.loads(line)) for line in result.stdout.splitlines()]


def _comparable(report: dict[str, Any]) -> Safety:
    safety = {key: value for key, value in report["safety"].items() if key != "decompiled"}
    told = {"name": report["name"], "format": report["format"]}
    # A policy's version is a digest of its tables: no Python may write them otherwise.
    return {**told, "policy": report["scanner"]["policy"], **safety}


def differing(one: Sequence[Safety], other: Sequence[Safety]) -> Iterator[tuple[Safety, Safety]]:
    return (pair for pair in zip(one, other, strict=True) if pair[0] != pair[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--pythons", default=sys.executable, help="with commas between")
    arguments = parser.parse_args()
    paths = [path.resolve() for path in arguments.paths]
    expected: list[Safety] | None = None
    equal = True
    for python in arguments.pythons.split(","):
        for alone in (False, True):
            environment = Environment(python, alone)
            started = time.monotonic()
            found = inspected(environment, paths)
            took = time.monotonic() - started
            expected = found if expected is None else expected
            other = [new["name"] for _, new in differing(expected, found)]
            equal = equal and not other
            print(f"{_version(environment)}: {len(found)} files, {took:.0f} s, ", end="")
            print(f"{len(other)} differ: {other[:10]}" if other else "all equal", flush=True)
    return 0 if equal else 1


def _version(environment: Environment) -> str:
    words = subprocess.run(
        [environment.python, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return f"{words}, {'the scanner alone' if environment.alone else 'as installed'}"


if __name__ == "__main__":
    raise SystemExit(main())
