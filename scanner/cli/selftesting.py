"""``selftest``: does the sandbox hold on this machine?"""

from __future__ import annotations

import argparse
import json
import sys

from scanner import sandbox
from scanner.cli.command import CLEAN, NOT_CLEAN
from scanner.cli.showing import LAYERS
from scanner.cli.words import Paint
from scanner.report import Json

_JAILS = {
    "strict": "for reading and converting files",
    "loose": "for torch, which makes pictures",
    "gpu": "the loose one, with what CUDA's driver needs",
}


def run(arguments: argparse.Namespace) -> int:
    """0 where every layer is there and every attempt to escape was barred, else 1."""
    tried = sandbox.selftest()
    layers = {
        jail: sandbox.available(strict=jail == "strict", gpu=jail == "gpu") for jail in _JAILS
    }
    missing = {jail: [name for name in LAYERS if name not in layers[jail]] for jail in _JAILS}
    open_ways = {jail: _open(tried.get(jail, {})) for jail in _JAILS}
    held = not any(missing.values()) and not any(open_ways.values()) and all(tried.values())
    if arguments.json:
        body: dict[str, Json] = {
            jail: {
                "layers": [*layers[jail]],
                "missing": [*missing[jail]],
                "attempts": {**tried.get(jail, {})},
            }
            for jail in _JAILS
        }
        print(json.dumps({"held": held, **body}))
        return CLEAN if held else NOT_CLEAN
    paint = Paint(sys.stdout)
    for jail, purpose in _JAILS.items():
        print(f"{paint(f'{jail} jail', 'bold')}, {purpose}")
        print(f"  layers   {', '.join(layers[jail]) or 'none'}")
        if missing[jail]:
            print(f"  {paint('missing', 'malicious')}  {', '.join(missing[jail])}")
        for name, barred in tried.get(jail, {}).items():
            print(
                f"  {paint('barred', 'clean') if barred else paint('OPEN  ', 'malicious')}   {name}"
            )
    count = sum(map(len, tried.values()))
    ways = sum(map(len, open_ways.values()))
    print(f"{count - ways} of {count} attempts to escape were barred", end="")
    print("." if held else ": the sandbox does not hold as it should.")
    return CLEAN if held else NOT_CLEAN


def _open(attempts: dict[str, bool]) -> list[str]:
    return [name for name, barred in attempts.items() if not barred]
