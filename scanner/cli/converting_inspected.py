"""``convert SRC DST --report SECTIONS``: inspected while it is converted.

Two processes over one page cache: a large file comes from the disk once, and the digests, which
take longest, are computed while the tensors are copied.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from scanner import inspection
from scanner.cli import converting_folders, inspecting, lanes
from scanner.cli.command import FAILED
from scanner.cli.opening import opened
from scanner.cli.progress import Progress
from scanner.cli.showing import Tables
from scanner.convert import Options
from scanner.errors import EngineError
from scanner.report import Json


def run(arguments: argparse.Namespace, options: Options) -> int:
    """The conversion's status; 2 as well where the report could not be made."""
    source: Path = arguments.source
    if source.is_dir():
        raise EngineError("usage.report", "--report is of one file, and this is a folder")
    with opened(source):
        pass  # A missing source is a mistake in the command, not a refusal.
    inspection.prepare(arguments.report)
    asked = inspecting.Asked(arguments.report, illustrated=arguments.json)
    job = converting_folders.Job(source, arguments.target)
    progress = Progress(lines=arguments.progress)

    def work(number: int) -> Json:
        # One voice: the conversion's bar is what a person waits for.
        if number:
            return list(inspecting.inspected(source, asked, progress.in_lane(source.name)))
        return converting_folders.converted(job, arguments, options, progress.of(source.name))

    try:
        converted, inspected = lanes.each(work, 2, 2)
    finally:
        progress.clear()
    status, line, body = converting_folders.parts(converted)
    outcome = inspecting.outcome_of(inspected)
    if arguments.json:
        print(json.dumps({**body, "report": outcome.report}))
    else:
        if outcome.report is not None:
            Tables().report(source, outcome.report)
        print(line, file=sys.stderr if status else sys.stdout)
    if outcome.problem:
        print(f"weighhouse: {outcome.problem}", file=sys.stderr)
    return FAILED if outcome.report is None or outcome.ours else status
