"""``convert SRC DST``: a safetensors file, without ever unpickling."""

from __future__ import annotations

import argparse
import json

from scanner import convert
from scanner.cli.command import CLEAN
from scanner.cli.opening import opened
from scanner.cli.progress import Progress
from scanner.cli.words import plain, size

_SHOWN = 20


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.source):
        pass  # A missing source is a mistake in the command, not a refusal.
    options = convert.Options(
        precision=convert.Precision(arguments.precision),
        prune=arguments.prune,
        weights=convert.Weights(arguments.weights),
        position_ids="position-ids" in arguments.fix,
        vae=arguments.vae,
        digest=arguments.digest,
    )
    progress = Progress(lines=arguments.progress)
    try:
        conversion = convert.to_file(
            arguments.source,
            arguments.target,
            options,
            progress=progress.of(arguments.source.name),
        )
    finally:
        progress.clear()
    if arguments.json:
        print(json.dumps(conversion.to_json()))
        return CLEAN
    print(f"{plain(str(arguments.target))}: {conversion.tensors} tensors, {size(conversion.size)}")
    for item in conversion.dropped[:_SHOWN]:
        print(f"  dropped {plain(item.name)}: {plain(item.why)}")
    if len(conversion.dropped) > _SHOWN:
        print(f"  … {len(conversion.dropped) - _SHOWN} more dropped; --json names them all")
    for name in conversion.kept:
        print(f"  kept as it was: {plain(name)}")
    if conversion.sha256:
        print(f"  sha256 {conversion.sha256}")
    return CLEAN
