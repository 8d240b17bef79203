"""Values as short, escaped text: bounded in length, depth and work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from scanner.limits import DEFAULT
from scanner.opcodes.values import (
    Call,
    Const,
    DictValue,
    Extension,
    Global,
    ListValue,
    Persistent,
    SetValue,
    TupleValue,
    Value,
)

_DEPTH = 5
_ITEMS = 12


def preview(value: Value, chars: int = DEFAULT.preview_chars) -> str:
    """At most ``chars`` characters that look like Python, all printable ASCII."""
    text = ""
    for part in _render(value, _DEPTH, chars):
        text += part
        if len(text) > chars:
            return text[: chars - 1] + "…"
    return text


def _render(value: Value, depth: int, chars: int) -> Iterator[str]:
    match value:
        case Const(value=bool() | int() | float() | None as plain):
            yield _number(plain)
        case Const(value=str() | bytes() as plain):
            # ascii() of the part that is shown: a stranger's string may be megabytes long.
            yield ascii(plain[:chars])
        case Global():
            yield ascii(str(value)[:chars])[1:-1]
        case Extension():
            yield f"extension {value.code}"
        case _ if depth == 0:
            yield "…"
        case TupleValue() | ListValue() | SetValue():
            yield from _series(value.items, *_BRACKETS[type(value)], depth, chars)
        case DictValue():
            yield from _series(value.items, "{", "}", depth, chars)
        case Persistent():
            yield "persistent "
            yield from _render(value.id, depth - 1, chars)
        case Call():
            yield from _render(value.callee, depth - 1, chars)
            yield from _series(value.args, "(*" if value.spread else "(", ")", depth, chars)


_BRACKETS = {TupleValue: ("(", ")"), ListValue: ("[", "]"), SetValue: ("{", "}")}


def _number(value: bool | int | float | None) -> str:
    if isinstance(value, int) and value.bit_length() > 4096:
        return f"<integer of {value.bit_length()} bits>"
    return repr(value)


def _series(
    items: Iterable[Value | tuple[Value, Value]], left: str, right: str, depth: int, chars: int
) -> Iterator[str]:
    yield left
    for index, item in enumerate(islice(items, _ITEMS + 1)):
        if index:
            yield ", "
        if index == _ITEMS:
            yield "…"
        elif isinstance(item, tuple):
            yield from _render(item[0], depth - 1, chars)
            yield ": "
            yield from _render(item[1], depth - 1, chars)
        else:
            yield from _render(item, depth - 1, chars)
    yield right
