"""JSON from a stranger: depth and size are checked before a parser sees it."""

from __future__ import annotations

import json
import re
from itertools import accumulate

from scanner.errors import FileError, LimitExceeded
from scanner.limits import Limits

Pairs = list[tuple[str, object]]


class Object:
    """A JSON object as its pairs in order: a key said twice is still there twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


#: A string, or one that never ends. Possessive: a hostile header must not make it look twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
#: A bracket's step, one too high so that it fits a byte.
_STEPS = bytes.maketrans(b"[{]}", b"\2\2\0\0")


def depth(text: bytes) -> int:
    """How deep brackets nest outside of strings."""
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    steps = brackets.translate(_STEPS)
    return max(accumulate(step - 1 for step in steps), default=0)


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
