"""``inspect PATH…``: one report a file, in the order given."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scanner import inspection, sandbox
from scanner.cli import folders, illustration
from scanner.cli.command import CLEAN, FAILED, NOT_CLEAN
from scanner.cli.opening import opened
from scanner.cli.progress import Progress, Tell
from scanner.cli.showing import Lines, Shown, Tables
from scanner.cli.words import readable
from scanner.errors import OTHER_FILE, EngineError, FileError, ScannerError
from scanner.formats.anomalies import finding
from scanner.limits import DEFAULT
from scanner.report import Format, Hashes, Json, Report, Safety, Verdict, to_json
from scanner.source import FileSource

_ILLUSTRATED = (Verdict.SUSPICIOUS, Verdict.MALICIOUS)


class Outcome(NamedTuple):
    """A report, or why there is none; ``ours`` means that the machine or we failed."""

    report: dict[str, Json] | None = None
    problem: str = ""
    ours: bool = False


class Asked(NamedTuple):
    """The sections, whether flagged files come with their pseudo-Python (JSON alone has room for
    it), and the digests of the one file where they are known."""

    only: tuple[str, ...]
    illustrated: bool
    hashes: Hashes | None = None


def run(arguments: argparse.Namespace) -> int:
    only: tuple[str, ...] = arguments.only
    inspection.prepare(only)
    found = folders.files(arguments.paths)
    paths = found.files
    if not paths and not found.unread:
        # A script that looks in the wrong folder must not read this as clean.
        raise EngineError("read.failed", f"{_named(arguments.paths)}: no file in it")
    progress = Progress(lines=arguments.progress, files=len(paths))
    several = len(paths) > 1
    shown = _shown(arguments)
    status = CLEAN
    for folder, why in found.unread:
        shown.problem(folder, "read.failed", f"{readable(str(folder))}: {why}")
        status = FAILED

    asked = Asked(only, illustrated=arguments.json, hashes=arguments.hashes)
    if arguments.hashes is not None and len(paths) != 1:
        raise EngineError("usage.hashes", "--hashes is of one file, and several are named")
    outcomes = _each(paths, asked, progress, arguments.jobs)
    try:
        for path, outcome in zip(paths, outcomes, strict=True):
            progress.clear()
            if outcome.report is None:
                shown.problem(path, "read.failed", outcome.problem)
            else:
                # One name may occur in several folders.
                if several:
                    outcome.report["path"] = readable(str(path))
                shown.report(path, outcome.report)
            status = max(status, _status(outcome))
            progress.finished()
    finally:
        progress.clear()
    shown.end(status, found.left_out)
    return status


def _named(paths: list[Path]) -> str:
    return ", ".join(readable(str(path)) for path in paths)


def _shown(arguments: argparse.Namespace) -> Shown:
    if arguments.sarif:
        if "safety" not in arguments.only:
            raise EngineError("usage.sarif", "--sarif holds findings, and they come with safety")
        from scanner.cli.sarif import Sarif

        return Sarif()
    return Lines() if arguments.json else Tables()


def _each(paths: list[Path], asked: Asked, progress: Progress, jobs: int) -> Iterator[Outcome]:
    if jobs == 1 or len(paths) < 2:
        for path in paths:
            yield inspected(path, asked, progress.of(path.name))
        return
    from scanner.cli import lanes

    def work(number: int) -> Json:
        path = paths[number]
        return list(inspected(path, asked, progress.in_lane(path.name)))

    def lost(number: int) -> Json:
        problem = f"{readable(str(paths[number]))}: the process that read it died"
        return list(Outcome(problem=problem, ours=True))

    for result in lanes.each(work, len(paths), jobs, lost):
        yield outcome_of(result)


def outcome_of(result: Json) -> Outcome:
    """An outcome that came through a pipe."""
    match result:
        case [dict() | None as report, str(problem), bool(ours)]:
            return Outcome(report, problem, ours)
    raise EngineError("lanes.lost", "a process that reads files made no sense")


def _status(outcome: Outcome) -> int:
    if outcome.report is None or outcome.ours:
        return FAILED
    safety = outcome.report.get("safety")
    clean = not isinstance(safety, dict) or safety.get("verdict") == Verdict.CLEAN
    return CLEAN if clean else NOT_CLEAN


def inspected(path: Path, asked: Asked, tell: Tell | None) -> Outcome:
    try:
        with opened(path) as fd:
            return _jailed(fd, readable(path.name), asked, tell)
    except EngineError as error:
        if error.code == OTHER_FILE:
            raise
        return Outcome(problem=error.message, ours=True)


def _jailed(fd: int, name: str, asked: Asked, tell: Tell | None) -> Outcome:
    def work(told: Tell) -> Json:
        report = inspection.inspect(
            FileSource(fd),
            DEFAULT,
            only=asked.only,
            progress=told if tell else None,
            given=asked.hashes,
        )
        return {**to_json(report), "sandbox": list(sandbox.held())}

    ours = False
    try:
        body = sandbox.run(work, progress=tell, descriptors=[fd], threads="hashes" in asked.only)
    except ScannerError as error:
        ours = isinstance(error, EngineError)
        if error.code == OTHER_FILE:
            raise
        body = to_json(_unreadable(fd, error, asked.only))
    if not isinstance(body, dict):
        raise EngineError("sandbox.crashed", "the child's answer makes no sense")
    # The name is no part of what is known of the bytes; it stands where people look for it.
    body = {"schema": body["schema"], "name": None, **body} | {"name": name}
    if "identity" in body:
        from scanner import claims

        body["naming"] = claims.section(name, body)
    safety = body.get("safety")
    if asked.illustrated and isinstance(safety, dict) and safety["verdict"] in _ILLUSTRATED:
        _illustrate(fd, safety)
    return Outcome(body, ours=ours)


def _illustrate(fd: int, safety: dict[str, Json]) -> None:
    """The pseudo-Python of a flagged file, by a child that has the decompiler at hand: importing
    it takes longer than all else, and a clean file does without."""
    if safety.get("decompiled") is not None or illustration.prepared():
        return
    illustration.prepare()
    try:
        safety["decompiled"] = sandbox.run(
            lambda told: illustration.of(FileSource(fd)), descriptors=[fd]
        )
    except ScannerError:
        # Without the picture the verdict and its evidence stand as they are.
        return


def _unreadable(fd: int, error: ScannerError, only: tuple[str, ...]) -> Report:
    """The child died on the file: whatever it is, it is not clean."""
    rule = "limit-reached" if isinstance(error, FileError) else "engine-error"
    found = (finding(rule, f"{error.message} [{error.code}]"),)
    safety = Safety(Verdict.UNREADABLE, found) if "safety" in only else None
    return Report(
        size=os.fstat(fd).st_size,
        format=Format.UNKNOWN,
        safety=safety,
        scanner=inspection.versions(),
    )
