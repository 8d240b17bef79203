"""A model in several files: a diffusers folder, or the shards of one component.

Files are chosen by their names alone. An index beside the shards says nothing that the shards do
not, and it would have to be parsed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scanner.convert.options import Dropped
from scanner.errors import Refused

#: Folders of a diffusers model whose weights belong into a single file.
COMPONENTS = (
    "unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3",
)  # fmt: skip
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")
#: Better ones first. Of one component's weights in several forms, one is taken.
_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
#: What stands between the name and the suffix: ``model.fp16.safetensors``.
_VARIANTS = ("", "fp16", "bf16", "fp32")


class FolderPart(NamedTuple):
    """One file of the model, and what comes before the names in it (``unet.``, or nothing)."""

    prefix: str
    path: Path


class Folder(NamedTuple):
    parts: tuple[FolderPart, ...]
    dropped: tuple[Dropped, ...]


def look(folder: Path) -> Folder:
    """The files that make up the model in ``folder``. ``Refused`` (``convert.no_model``,
    ``convert.shards``) where there is none, or shards are missing."""
    parts: list[FolderPart] = []
    dropped: list[Dropped] = []
    for name in COMPONENTS:
        files = _weights(folder / name)
        if files:
            chosen, others = _best(files)
            parts += [FolderPart(f"{name}.", path) for path in chosen]
            dropped += [Dropped(f"{name}/{path.name}", "the same in another form")
                        for path in others]  # fmt: skip
    if not parts:
        files = _weights(folder)
        if len(_groups(files)) != 1:
            raise Refused(
                "convert.no_model",
                f"{folder} holds neither a diffusers model nor the shards of one file",
            )
        return Folder(tuple(FolderPart("", path) for path in _best(files)[0]), ())
    for other in sorted(folder.iterdir()):
        if other.is_dir() and other.name not in COMPONENTS and _weights(other):
            dropped.append(Dropped(f"{other.name}/", "no part of a single file"))
    return Folder(tuple(parts), tuple(dropped))


def _weights(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir()
                  if path.suffix in _SUFFIXES and path.is_file())  # fmt: skip


def _groups(files: Iterable[Path]) -> dict[tuple[str, str], list[Path]]:
    """Shards together, every other file alone, by stem and suffix."""
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in files:
        shard = _SHARD.fullmatch(path.stem)
        groups[shard["stem"] if shard else path.stem, path.suffix].append(path)
    return groups


def _best(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files to take, and those that hold the same once more."""
    groups = _groups(files)
    best = min(groups, key=_rank)
    _complete(groups[best])
    others = [path for key, paths in groups.items() if key != best for path in paths]
    return groups[best], others


def _rank(group: tuple[str, str]) -> tuple[int, int, str]:
    stem, suffix = group
    variant = stem.partition(".")[2]
    known = _VARIANTS.index(variant) if variant in _VARIANTS else len(_VARIANTS)
    return known, _SUFFIXES.index(suffix), stem


def _complete(files: list[Path]) -> None:
    shards = [shard for path in files if (shard := _SHARD.fullmatch(path.stem))]
    if not shards:
        return
    count = int(shards[0]["count"])
    there = {int(shard["number"]) for shard in shards if int(shard["count"]) == count}
    missing = sorted(set(range(1, count + 1)) - there)
    if missing or len(shards) != len(files) or len(there) != len(files):
        numbers = ", ".join(map(str, missing[:5])) or "some"
        raise Refused("convert.shards", f"of {count} shards, {numbers} are missing or double")
