"""``convert FOLDER FOLDER``: every pickle in one, as safetensors at the same place in the other."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scanner import convert
from scanner.cli.command import CLEAN, FAILED, NOT_CLEAN
from scanner.cli.converting import text, told_of
from scanner.cli.progress import Progress, Tell
from scanner.cli.words import plain
from scanner.convert import Options
from scanner.errors import EngineError, ScannerError
from scanner.report import Json

#: What model files in other formats are called. What is in them is judged by their bytes.
_NAMES = (".ckpt", ".pt", ".pth", ".bin")
_SAFETENSORS = ".safetensors"


@dataclass(frozen=True, slots=True)
class Job:
    source: Path
    target: Path
    #: Another source that goes to the same target, and goes first.
    rival: Path | None = None


def run(arguments: argparse.Namespace, options: Options) -> int:
    """0 every file was written or is there already, 1 some was refused, 2 some failed."""
    source, target = arguments.source, arguments.target
    if target.exists() and not target.is_dir():
        raise EngineError("convert.target", f"{target} is a file; name a folder to write into")
    jobs = list(_jobs(source, target, safetensors=options != Options(digest=options.digest)))
    if not jobs:
        names = ", ".join(_NAMES)
        raise EngineError("read.failed", f"there is no model file ({names}) in it: {source}")
    progress = Progress(lines=arguments.progress, files=len(jobs))
    statuses: Counter[int] = Counter()
    for told in _each(jobs, arguments, options, progress):
        progress.clear()
        status, line, body = parts(told)
        if arguments.json:
            print(json.dumps(body), flush=True)
        else:
            print(line, file=sys.stderr if status else sys.stdout, flush=True)
        statuses[status] += 1
        progress.finished()
    progress.clear()
    if not arguments.json:
        print(_sum(statuses, dry=arguments.dry_run), file=sys.stderr)
    return max(statuses)


def _sum(statuses: Counter[int], *, dry: bool) -> str:
    done = "can be converted" if dry else "converted or there already"
    parts = [f"{statuses[CLEAN]} {done}"]
    parts += [f"{statuses[NOT_CLEAN]} refused"] if statuses[NOT_CLEAN] else []
    parts += [f"{statuses[FAILED]} failed"] if statuses[FAILED] else []
    return f"{statuses.total()} files: {', '.join(parts)}"


def parts(told: Json) -> tuple[int, str, dict[str, Json]]:
    match told:
        case [int(status), str(line), dict(body)]:
            return status, line, body
    raise EngineError("lanes.lost", "a process that converts files made no sense")


def _each(
    jobs: list[Job], arguments: argparse.Namespace, options: Options, progress: Progress
) -> Iterator[Json]:
    if arguments.jobs == 1 or len(jobs) < 2:
        for job in jobs:
            yield converted(job, arguments, options, progress.of(job.source.name))
        return
    from scanner.cli import lanes

    def work(number: int) -> Json:
        job = jobs[number]
        return converted(job, arguments, options, progress.in_lane(job.source.name))

    def lost(number: int) -> Json:
        job = jobs[number]
        return _error(FAILED, job, _named(job), "lanes.lost", "the process that converted it died")

    yield from lanes.each(work, len(jobs), arguments.jobs, lost)


def converted(job: Job, arguments: argparse.Namespace, options: Options, tell: Tell | None) -> Json:
    """[exit status, what a person reads, what a program reads] of one file, which is converted."""
    named = _named(job)
    if job.rival is not None:
        why = f"{job.rival.name} beside it would be written to the same file"
        return _error(NOT_CLEAN, job, named, "convert.same_target", why)
    if arguments.skip_existing and job.target.exists():
        line = f"{plain(str(job.target))}: is there already"
        return _told(CLEAN, line, {**named, "skipped": "exists"})
    try:
        if arguments.dry_run:
            conversion = convert.foresee(job.source, job.target, options)
        else:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            conversion = convert.to_file(job.source, job.target, options, progress=tell)
    except ScannerError as error:
        status = FAILED if isinstance(error, EngineError) else NOT_CLEAN
        return _error(status, job, named, error.code, error.message)
    except OSError as error:
        return _error(FAILED, job, named, "convert.target", str(error))
    dry = arguments.dry_run
    return _told(CLEAN, text(conversion, dry=dry), told_of(conversion, dry=dry))


def _named(job: Job) -> dict[str, object]:
    return {"source": str(job.source), "target": str(job.target)}


def _error(status: int, job: Job, named: dict[str, object], code: str, message: str) -> Json:
    line = f"weighhouse: {plain(str(job.source))}: {plain(message)} [{code}]"
    return _told(status, line, {**named, "error": {"code": code, "message": message}})


def _told(status: int, line: str, body: dict[str, object]) -> Json:
    # As a lane would hand it over, so that both ways give the same.
    told: Json = json.loads(json.dumps([status, line, body]))
    return told


def _jobs(source: Path, target: Path, *, safetensors: bool) -> Iterator[Job]:
    """The files below ``source`` by name, hidden ones and links left out. Safetensors files only
    where something is asked that changes them."""
    names = (*_NAMES, _SAFETENSORS) if safetensors else _NAMES
    taken: dict[Path, Path] = {}
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in names:
                continue
            if path.is_symlink() or not path.is_file():
                continue
            there = target / path.relative_to(source).with_suffix(_SAFETENSORS)
            yield Job(path, there, taken.get(there))
            taken.setdefault(there, path)
