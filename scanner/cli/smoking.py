"""``smoke PATH --out DIR``: does the model make a picture, and does it look sound?"""

from __future__ import annotations

import argparse
import json

from scanner import smoke
from scanner.cli.opening import opened
from scanner.cli.progress import Progress
from scanner.cli.words import plain


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.path):
        pass  # A missing model is a mistake in the command, not a failed test.
    progress = Progress(lines=arguments.progress)
    tell = progress.of(arguments.path.name)
    step = None if tell is None else lambda done, total: tell(smoke.STEP, done, total)
    try:
        result, status = smoke.command(
            arguments.path,
            arguments.out,
            size=arguments.size,
            steps=arguments.steps,
            seed=arguments.seed,
            prompts=tuple(arguments.prompt),
            pictures=arguments.pictures,
            device=arguments.device,
            model=arguments.model,
            progress=step,
        )
    finally:
        progress.clear()
    if arguments.json:
        print(json.dumps(result))
        return status
    print(f"{result['verdict']} on {result.get('device')} in {result.get('seconds')} s")
    for part in ("checks", "images"):
        items = result.get(part)
        for item in items if isinstance(items, list) else ():
            fields = item.items() if isinstance(item, dict) else ()
            print("  " + plain(" ".join(f"{key}={value}" for key, value in fields)))
    return status
