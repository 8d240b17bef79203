"""What the pickle machine pushes and pops: descriptions of values, never the values' own objects.

Containers are mutable because pickles fill them after memoising them. The classes are written out,
not generated: a checkpoint makes tens of thousands of these, and a scan is one short process.
"""

from __future__ import annotations


class Const:
    """None, bool, int, float, str, bytes (bytearray as bytes). Never changed once made: the
    machine shares small ones."""

    __slots__ = ("value",)

    def __init__(self, value: bool | int | float | str | bytes | None) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Const({self.value!r})"


class TupleValue:
    __slots__ = ("items",)

    def __init__(self, items: tuple[Value, ...]) -> None:
        self.items = items


class ListValue:
    __slots__ = ("items",)

    def __init__(self, items: list[Value]) -> None:
        self.items = items


class DictValue:
    __slots__ = ("items",)

    def __init__(self, items: list[tuple[Value, Value]]) -> None:
        self.items = items


class SetValue:
    __slots__ = ("frozen", "items")

    def __init__(self, items: list[Value], frozen: bool = False) -> None:
        self.items = items
        self.frozen = frozen


class Global:
    """An imported name as the file spells it. Nothing was imported."""

    __slots__ = ("module", "name", "spelling")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name
        self.spelling = f"{module}.{name}"

    def __str__(self) -> str:
        return self.spelling


class Extension:
    """A ``copyreg`` extension code: what it names depends on the loading process."""

    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        self.code = code


class Persistent:
    """A persistent id; torch's are tuples ('storage', type, key, location, numel)."""

    __slots__ = ("id",)

    def __init__(self, id: Value) -> None:
        self.id = id


class Call:
    """What a call would return. ``states``, ``items`` and ``appended`` are what BUILD, SETITEM(S),
    APPEND(S) and ADDITEMS would do to the result afterwards. ``spread``: the arguments are no
    literal tuple but made at load time; ``args`` holds that one value."""

    __slots__ = (
        "appended", "args", "callee", "items", "kwargs", "offset", "opcode", "spread", "states",
    )  # fmt: skip

    def __init__(
        self,
        callee: Value,
        args: tuple[Value, ...],
        kwargs: Value | None,
        opcode: str,
        offset: int,
        spread: bool = False,
    ) -> None:
        self.callee = callee
        self.args = args
        self.kwargs = kwargs
        self.opcode = opcode
        self.offset = offset
        self.spread = spread
        self.states: list[Value] = []
        self.items: list[tuple[Value, Value]] = []
        self.appended: list[Value] = []


Value = (
    Const | TupleValue | ListValue | DictValue | SetValue | Global | Extension | Persistent | Call
)
