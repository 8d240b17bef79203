"""``explain PATH``: what a load would run, as pseudo-Python and disassembly."""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from typing import NoReturn

from scanner import reading, safety, sandbox
from scanner.cli import illustration, table
from scanner.cli.command import CLEAN
from scanner.cli.explanation import Explanation
from scanner.cli.opening import opened
from scanner.cli.words import Paint, plain
from scanner.errors import EngineError
from scanner.limits import DEFAULT, MIB
from scanner.report import Json, Report, to_json
from scanner.source import FileSource

#: Text that the child hands over at a time: a page fits in a result, whatever is in the file.
_PAGE_CHARS = 24 * MIB


def run(arguments: argparse.Namespace) -> int:
    illustration.prepare()
    paint = Paint(sys.stdout)
    with opened(arguments.path) as fd:
        at = 0
        while True:
            answer = sandbox.run(
                lambda told, at=at: _page(fd, at, whole=arguments.all),  # type: ignore[misc]
                descriptors=[fd],
            )
            match answer:
                case [dict() as report, list() as lines, bool(more)]:
                    pass
                case _:
                    _nonsense()
            if not at:
                print(table.text(report | {"name": arguments.path.name}, paint))
            for line in lines:
                match line:
                    case [str(kind), str(text)]:
                        print(paint(plain(text), kind))
                    case _:
                        _nonsense()
            if not more:
                return CLEAN
            at += len(lines)


def _nonsense() -> NoReturn:
    raise EngineError("sandbox.crashed", "the child's answer makes no sense")


def _page(fd: int, start: int, *, whole: bool) -> Json:
    """The report, as many lines as fit from ``start`` on, and whether there are more."""
    read = reading.read(FileSource(fd), DEFAULT)
    judged = safety.judge(read, DEFAULT)
    lines = islice(Explanation(judged, DEFAULT, whole=whole).lines(read), start, None)
    # The windows of the findings are in the disassembly.
    findings = tuple(finding._replace(window=()) for finding in judged.findings)
    report = Report(
        size=read.source.size, format=read.format, safety=judged._replace(findings=findings)
    )
    page: list[Json] = []
    room = _PAGE_CHARS
    for line in lines:
        page.append([line.kind, line.text])
        room -= len(line.text)
        if room <= 0:
            break
    more = next(lines, None) is not None
    return [to_json(report) if not start else {}, page, more]
