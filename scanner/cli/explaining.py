"""``explain PATH``: what a load would run, as pseudo-Python and disassembly."""

from __future__ import annotations

import argparse

from scanner import explain, reading, sandbox
from scanner.cli import illustration
from scanner.cli.command import CLEAN
from scanner.cli.opening import opened
from scanner.cli.words import plain
from scanner.limits import DEFAULT
from scanner.source import FileSource


def run(arguments: argparse.Namespace) -> int:
    illustration.prepare()
    with opened(arguments.path) as fd:
        text = sandbox.run(
            lambda told: explain.explain(reading.read(FileSource(fd), DEFAULT), DEFAULT),
            descriptors=[fd],
        )
    for line in str(text).split("\n"):
        print(plain(line))
    return CLEAN
