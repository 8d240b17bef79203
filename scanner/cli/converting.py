"""``convert SRC DST``: safetensors files, without ever unpickling."""

from __future__ import annotations

import argparse
import json

from scanner import convert
from scanner.cli.command import CLEAN
from scanner.cli.opening import opened
from scanner.cli.progress import Progress
from scanner.cli.words import plain, size
from scanner.convert import Conversion, Options

_SHOWN = 20


def run(arguments: argparse.Namespace) -> int:
    if arguments.report:
        from scanner.cli import converting_inspected

        return converting_inspected.run(arguments, options_of(arguments))
    whole = arguments.target.suffix == ".safetensors" and not arguments.target.is_dir()
    if arguments.source.is_dir() and not whole:
        from scanner.cli import converting_folders

        return converting_folders.run(arguments, options_of(arguments))
    if not arguments.source.is_dir():
        with opened(arguments.source):
            pass  # A missing source is a mistake in the command, not a refusal.
    options = options_of(arguments)
    if arguments.dry_run:
        conversion = convert.foresee(arguments.source, arguments.target, options)
    elif arguments.skip_existing and arguments.target.exists():
        told = {"source": str(arguments.source), "target": str(arguments.target)}
        skipped = f"{plain(str(arguments.target))}: is there already"
        print(json.dumps({**told, "skipped": "exists"}) if arguments.json else skipped)
        return CLEAN
    else:
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
        print(json.dumps(told_of(conversion, dry=arguments.dry_run)))
    else:
        print(text(conversion, dry=arguments.dry_run))
    return CLEAN


def options_of(arguments: argparse.Namespace) -> Options:
    return Options(
        precision=convert.Precision(arguments.precision),
        prune=arguments.prune,
        weights=convert.Weights(arguments.weights),
        position_ids="position-ids" in arguments.fix,
        vae=arguments.vae,
        digest=arguments.digest,
        metadata=dict(arguments.metadata),
    )


def told_of(conversion: Conversion, *, dry: bool) -> dict[str, object]:
    """The JSON object; a dry run says that it was one, and how large the file would be."""
    body: dict[str, object] = dict(conversion.to_json())
    return {**body, "dry_run": True, "size": conversion.size} if dry else body


def text(conversion: Conversion, *, dry: bool) -> str:
    count = "1 tensor" if conversion.tensors == 1 else f"{conversion.tensors} tensors"
    would = "would hold " if dry else ""
    lines = [f"{plain(conversion.target)}: {would}{count}, {size(conversion.size)}"]
    for item in conversion.dropped[:_SHOWN]:
        lines.append(f"  dropped {plain(item.name)}: {plain(item.why)}")
    if len(conversion.dropped) > _SHOWN:
        lines.append(f"  … {len(conversion.dropped) - _SHOWN} more dropped; --json names them all")
    lines += [f"  kept as it was: {plain(name)}" for name in conversion.kept]
    if conversion.sha256:
        lines.append(f"  sha256 {conversion.sha256}")
    return "\n".join(lines)
