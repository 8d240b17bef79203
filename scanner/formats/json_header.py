"""JSON from a stranger: depth and size are checked before a parser sees it."""

from __future__ import annotations

import json

from scanner.errors import FileError, LimitExceeded
from scanner.limits import Limits

Pairs = list[tuple[str, object]]


class Object:
    """A JSON object as its pairs in order: a key said twice is still there twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


def depth(text: bytes) -> int:
    """How deep brackets nest outside of strings."""
    deepest = level = 0
    at, size = 0, len(text)
    # Headers of real files nest three deep: count only as far as the total of brackets allows.
    if max(text.count(b"{"), text.count(b"[")) == 0:
        return 0
    quoted = False
    while at < size:
        byte = text[at]
        if quoted:
            end = text.find(b'"', at)
            slash = text.find(b"\\", at, end if end >= 0 else size)
            if slash >= 0:
                at = slash + 2
                continue
            if end < 0:
                return deepest
            at, quoted = end + 1, False
            continue
        if byte == 0x22:
            quoted = True
        elif byte in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"}]":
            level -= 1
        at += 1
    return deepest


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _integer(text: str) -> int:
    if len(text) > 25:
        raise ValueError("a number of more than 25 digits")
    return int(text)


def parse(text: bytes, limits: Limits) -> object:
    """The value, with objects as :class:`Object`; ``FileError("json.broken")`` if it is none."""
    deepest = depth(text)
    if deepest > limits.json_depth:
        raise LimitExceeded("json_depth", limits.json_depth, f"JSON nested {deepest} deep")
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=Object,
            parse_constant=_constant,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise FileError("json.broken", str(error)[:200]) from error
