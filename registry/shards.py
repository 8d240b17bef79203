"""Models that come in several files: ``model-00001-of-00002.safetensors``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath
from typing import NamedTuple, Protocol, TypeVar

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")


class Shard(NamedTuple):
    stem: str
    suffix: str
    number: int
    total: int


class Named(Protocol):
    name: str


File = TypeVar("File", bound=Named)


def shard(name: str) -> Shard | None:
    """Which part of which file this is by its name, if it is one."""
    path = PurePath(name)
    found = _SHARD.fullmatch(path.stem)
    if found is None:
        return None
    return Shard(found["stem"], path.suffix.lower(), int(found["number"]), int(found["count"]))


def complete(files: Iterable[File]) -> list[list[File]]:
    """Sets of which every part is there, each in order."""
    sets: dict[tuple[str, str, int], dict[int, File]] = defaultdict(dict)
    for file in files:
        if part := shard(file.name):
            sets[part.stem, part.suffix, part.total][part.number] = file
    return [
        [parts[number] for number in range(1, total + 1)]
        for (_, _, total), parts in sets.items()
        if total > 1 and set(parts) == set(range(1, total + 1))
    ]
