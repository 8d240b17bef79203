"""What the pickle machine pushes and pops: descriptions of values, never the values' own objects.

Containers are mutable because pickles fill them after memoising them; everything else is frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Const:
    """None, bool, int, float, str, bytes (bytearray as bytes)."""

    value: bool | int | float | str | bytes | None


@dataclass(eq=False, slots=True)
class TupleValue:
    items: tuple[Value, ...]


@dataclass(eq=False, slots=True)
class ListValue:
    items: list[Value] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class DictValue:
    items: list[tuple[Value, Value]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class SetValue:
    items: list[Value] = field(default_factory=list)
    frozen: bool = False


@dataclass(eq=False, slots=True)
class Global:
    """An imported name as the file spells it. Nothing was imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Extension:
    """A ``copyreg`` extension code: what it names depends on the loading process."""

    code: int


@dataclass(eq=False, slots=True)
class Persistent:
    """A persistent id; torch's are tuples ('storage', type, key, location, numel)."""

    id: Value


@dataclass(eq=False, slots=True)
class Call:
    """What a call would return. ``state`` and ``items`` are what BUILD, SETITEM(S), APPEND(S) and
    ADDITEMS would do to the result afterwards."""

    callee: Value
    args: tuple[Value, ...]
    kwargs: Value | None
    opcode: str
    offset: int
    states: list[Value] = field(default_factory=list)
    items: list[tuple[Value, Value]] = field(default_factory=list)
    appended: list[Value] = field(default_factory=list)
    #: The arguments are no literal tuple but made at load time; ``args`` holds that one value.
    spread: bool = False


Value = (
    Const | TupleValue | ListValue | DictValue | SetValue | Global | Extension | Persistent | Call
)
