"""``smoke PATH --out DIR``: does the model make a picture, and does it look sound?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping

from scanner import smoke
from scanner.cli.opening import opened
from scanner.cli.progress import Progress
from scanner.cli.words import plain
from scanner.errors import EngineError
from scanner.report import Json
from scanner.smoke import selftest, serving


def run(arguments: argparse.Namespace) -> int:
    if arguments.serve:
        serving.serve()
        return 0
    progress = Progress(lines=arguments.progress)
    try:
        result, status = _shown(arguments, progress)
    finally:
        progress.clear()
    if arguments.json:
        print(json.dumps(result))
        return status
    for line in _lines(result):
        print(plain(line))
    return status


def _shown(arguments: argparse.Namespace, progress: Progress) -> tuple[dict[str, Json], int]:
    if arguments.self_test:
        options = smoke.Options(device=arguments.device)
        return selftest.run(options, _step(progress, "the miniature"))
    if arguments.path is None or arguments.out is None:
        raise EngineError("smoke.option", "a model and --out are needed")
    with opened(arguments.path):
        pass  # A missing model is a mistake in the command, not a failed test.
    if arguments.base is not None:
        with opened(arguments.base):
            pass
    return smoke.command(
        arguments.path,
        arguments.out,
        size=arguments.size,
        steps=arguments.steps,
        seed=arguments.seed,
        prompts=tuple(arguments.prompt),
        pictures=arguments.pictures,
        device=arguments.device,
        model=arguments.model,
        base=arguments.base,
        trigger=arguments.trigger,
        clip_skip=arguments.clip_skip,
        base_model=arguments.base_model,
        progress=_step(progress, arguments.path.name),
    )


def _step(progress: Progress, name: str) -> smoke.Progress | None:
    tell = progress.of(name)
    return None if tell is None else lambda done, total: tell(smoke.STEP, done, total)


def _lines(result: Mapping[str, Json]) -> Iterator[str]:
    """The verdict with its reason or its circumstances, each check, and the files written."""
    if result.get("reason"):
        yield f"{result['verdict']}: {result['reason']}"
    else:
        yield f"{result['verdict']} on {result.get('device')} in {result.get('seconds')} s"
    for check in _objects(result.get("checks")):
        limit = check.get("threshold")
        figures = f"{check.get('value')}" + ("" if limit is None else f" (limit {limit})")
        yield f"  {check.get('outcome')!s:<7} {check.get('message')} {figures}"
    for image in _objects(result.get("images")):
        yield f"  {image.get('file')}  {image.get('width')}×{image.get('height')}"


def _objects(value: Json) -> list[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
