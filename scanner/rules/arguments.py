"""Whether a call's arguments are those that genuine files pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from scanner import policy
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
from scanner.policy import Known, Role
from scanner.report import Tier

#: What Python writes bytes with where the protocol has none.
_CODECS = frozenset({"latin1", "latin-1"})
_FACTORIES = frozenset(
    {
        ("builtins", "list"), ("builtins", "dict"), ("builtins", "set"), ("builtins", "tuple"),
        ("builtins", "int"), ("builtins", "float"), ("builtins", "str"), ("builtins", "bool"),
        ("builtins", "bytearray"), ("builtins", "frozenset"), ("collections", "OrderedDict"),
        ("collections", "Counter"), ("collections", "deque"), ("collections", "defaultdict"),
    }
)  # fmt: skip


class Mismatch(NamedTuple):
    """The argument at ``position`` is no ``word``; ``value`` is None where it is missing."""

    position: int
    word: str
    value: Value | None


def row(value: Value) -> Known | None:
    """The known-good row of an imported name."""
    if isinstance(value, Global):
        return policy.known(value.module, value.name)
    named = module_class(value) if isinstance(value, Persistent) else None
    return policy.known(named.module, named.name) if named is not None else None


def module_class(value: Persistent) -> Global | None:
    """The class in torch's ("module", class, file, source), which is how the legacy format writes
    the class of an nn.Module; the loader takes the class and compares the source."""
    if not isinstance(value.id, TupleValue) or len(value.id.items) != 4:
        return None
    tag, named, file, source = value.id.items
    fits = isinstance(tag, Const) and tag.value == "module" and _text(file) and _text(source)
    return named if fits and isinstance(named, Global) else None


def made_by(value: Value) -> Known | None:
    """The known-good row of the name whose call made the value."""
    return row(value.callee) if isinstance(value, Call) else None


def is_tensor(value: Value) -> bool:
    made = made_by(value)
    return made is not None and made.makes == "tensor"


def literal_bytes(value: Value) -> bytes | None:
    """Bytes that the file holds as they are, or as text for ``_codecs.encode``."""
    if isinstance(value, Const):
        return value.value if isinstance(value.value, bytes) else None
    made = made_by(value)
    if isinstance(value, Call) and made is not None and made.name == "encode":
        text, *codec = value.args or (None,)
        known_codec = len(codec) == 1 and _codec(codec[0])
        if known_codec and isinstance(text, Const) and isinstance(text.value, str):
            try:
                return text.value.encode("latin-1")
            except UnicodeEncodeError:
                return None
    return None


def is_storage_id(value: Value) -> bool:
    """torch's ("storage", type, key, location, numel), with None for a view in old files."""
    if not isinstance(value, TupleValue) or not 5 <= len(value.items) <= 6:
        return False
    tag, kind, key, location, numel = value.items[:5]
    known = row(kind)
    return (
        isinstance(tag, Const)
        and tag.value == "storage"
        and known is not None
        and known.role is Role.TYPE
        and "Storage" in known.name
        and _text(key)
        and _text(location)
        and _int(numel)
        and (
            len(value.items) == 5 or _none(value.items[5]) or isinstance(value.items[5], TupleValue)
        )
    )


def _const(*types: type) -> Callable[[Value], bool]:
    def check(value: Value) -> bool:
        return isinstance(value, Const) and isinstance(value.value, types)

    return check


def _int(value: Value) -> bool:
    return isinstance(value, Const) and type(value.value) is int


def _bool(value: Value) -> bool:
    # Protocols 0 and 1 have no bool of their own; 0 and 1 do in old files.
    return isinstance(value, Const) and value.value in (True, False) and value.value is not None


_text = _const(str)
_number = _const(int, float)


def _codec(value: Value) -> bool:
    return isinstance(value, Const) and value.value in _CODECS


def _none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def _bytes(value: Value) -> bool:
    made = made_by(value)
    named = made is not None and (made.module, made.name) in (
        ("_codecs", "encode"), ("builtins", "bytes"), ("builtins", "bytearray"),
    )  # fmt: skip
    return named or (isinstance(value, Const) and isinstance(value.value, bytes))


def _ints(value: Value) -> bool:
    if isinstance(value, (TupleValue, ListValue)):
        return all(map(_int, value.items))
    made = made_by(value)
    return made is not None and (made.module, made.name) == ("torch", "Size")


def _storage(value: Value) -> bool:
    return isinstance(value, Persistent) and is_storage_id(value.id)


def _hooks(value: Value) -> bool:
    if _none(value):
        return True
    made = made_by(value)
    return (
        isinstance(value, Call)
        and made is not None
        and made.name == "OrderedDict"
        and not (value.items or value.states or value.appended)
        and all(isinstance(arg, (ListValue, TupleValue)) and not arg.items for arg in value.args)
    )


def _dict(value: Value) -> bool:
    made = made_by(value)
    return isinstance(value, DictValue) or (
        made is not None and made.name in ("OrderedDict", "dict", "defaultdict", "AttributeDict")
    )


def _data(value: Value) -> bool:
    """Anything that is not itself callable; the parts of it are judged where they are made."""
    if isinstance(value, Global):
        known = row(value)
        return known is not None and known.role is not Role.CALLABLE
    return not isinstance(value, Extension)


def _object(value: Value) -> bool:
    return made_by(value) is not None


def _constant(value: Value) -> bool:
    known = row(value)
    return known is not None and known.role is Role.CONSTANT


def _container(value: Value) -> bool:
    """What a pickler passes to a container: its items, written out. ``list(range(10**12))`` is
    short to write and fills any memory."""
    if isinstance(value, (ListValue, TupleValue, DictValue, SetValue)):
        return True
    made = made_by(value)
    return made is not None and (
        (made.module, made.name) in _FACTORIES or made.name == "AttributeDict"
    )


def _zeros(value: Value) -> bool:
    """The shape of the empty array that BUILD fills: one that is not empty takes memory."""
    return isinstance(value, TupleValue) and all(
        isinstance(item, Const) and item.value == 0 for item in value.items
    )


def _ratio(value: Value) -> bool:
    """No exponent: ``Fraction("1e999999999")`` is computed in full."""
    if not isinstance(value, Const) or not isinstance(value.value, str):
        return _int(value)
    return all(part.isdecimal() for part in value.value.removeprefix("-").split("/", 1))


def _type(value: Value) -> bool:
    """A class. One that is not listed is reported as an unknown name, and need not be twice."""
    known = row(value)
    if known is not None:
        if (known.module, known.name) == ("builtins", "type"):
            # It would make a class.
            return False
        return known.role in (Role.TYPE, Role.OBJECT) or known.module == "builtins" or _cap(known)
    return isinstance(value, Global) and policy.tier(value.module, value.name) is Tier.UNKNOWN


def _cap(known: Known) -> bool:
    return known.name[:1].isupper()


def _dtype(value: Value) -> bool:
    known, made = row(value), made_by(value)
    if made is not None:
        return made.name == "dtype" or made.module == "numpy.dtypes"
    return known is not None and known.module == "torch" and known.role is Role.CONSTANT


def _layout(value: Value) -> bool:
    known, made = row(value), made_by(value)
    return (made is not None and made.name == "_get_layout") or (
        known is not None and known.role is Role.CONSTANT
    )


def _rebuilder(value: Value) -> bool:
    known = row(value)
    return (
        known is not None
        and known.role is Role.CALLABLE
        and known.makes == "tensor"
        # A trampoline to a trampoline has no genuine use.
        and not known.name.startswith("_rebuild_from_type")
    )


def _factory(value: Value) -> bool:
    known = row(value)
    return _none(value) or (known is not None and (known.module, known.name) in _FACTORIES)


def _bitgen(value: Value) -> bool:
    known = row(value)
    return (
        known is not None and known.role is Role.TYPE and known.module.startswith("numpy.random._")
    )


def _generator(value: Value) -> bool:
    made = made_by(value)
    return made is not None and made.name == "__bit_generator_ctor"


def _constructor(value: Value) -> bool:
    known = row(value)
    return known is not None and known.name == "__bit_generator_ctor"


#: The words of a schema.
MATCHERS: dict[str, Callable[[Value], bool]] = {
    "int": _int, "number": _number, "bool": _bool, "text": _text, "codec": _codec,
    "bytes": _bytes, "none": _none,
    "plain": lambda value: isinstance(value, Const), "ints": _ints,
    "tuple": lambda value: isinstance(value, TupleValue), "dict": _dict, "data": _data,
    "storage": _storage, "hooks": _hooks, "tensor": is_tensor, "object": _object, "type": _type,
    "dtype": _dtype, "layout": _layout, "rebuilder": _rebuilder, "factory": _factory,
    "bitgen": _bitgen, "constructor": _constructor, "generator": _generator,
    "constant": _constant, "container": _container, "zeros": _zeros, "ratio": _ratio,
    "scalar": lambda value: isinstance(value, Const) or row(value) is not None,
}  # fmt: skip


class _Word(NamedTuple):
    text: str
    matchers: tuple[Callable[[Value], bool], ...]


class _Schema(NamedTuple):
    """``least``: the arguments that have to be there; ``repeats``: the last word may."""

    words: tuple[_Word, ...]
    least: int
    repeats: bool


@cache
def _parsed(schema: str) -> _Schema:
    words = schema.split()
    bare = (word.rstrip("?*") for word in words)
    return _Schema(
        tuple(_Word(word, tuple(MATCHERS[name] for name in word.split("|"))) for word in bare),
        sum(not word.endswith(("?", "*")) for word in words),
        schema.endswith("*"),
    )


@cache
def asks_for(schema: str, words: frozenset[str]) -> bool:
    """Whether some argument may be one of ``words``."""
    return any(not words.isdisjoint(word.text.split("|")) for word in _parsed(schema).words)


def mismatch(call: Call, known: Known) -> Mismatch | None:
    """The first argument that does not fit the schema of ``known``."""
    if call.spread:
        return Mismatch(0, "literal tuple", call.args[0])
    if call.kwargs is not None and not (
        isinstance(call.kwargs, DictValue) and not call.kwargs.items
    ):
        return Mismatch(len(call.args), "keywords", call.kwargs)
    words, least, repeats = _parsed(known.schema)
    for position, value in enumerate(call.args):
        if position < len(words):
            word, matchers = words[position]
        elif repeats:
            word, matchers = words[-1]
        else:
            return Mismatch(position, "end of arguments", value)
        for matches in matchers:
            if matches(value):
                break
        else:
            return Mismatch(position, word, value)
    if len(call.args) < least:
        return Mismatch(len(call.args), words[len(call.args)].text, None)
    return None


def holds(value: Value, found: Callable[[Value], bool], *, depth: int = 8, width: int = 64) -> bool:
    """Whether ``found`` is true of the value or of something in it, as far as the bounds reach."""
    if found(value):
        return True
    if depth == 0:
        return False
    return any(holds(part, found, depth=depth - 1, width=width) for part in parts(value)[:width])


def parts(value: Value) -> list[Value]:
    """What a value is directly made of."""
    match value:
        case TupleValue() | ListValue() | SetValue():
            return list(value.items)
        case DictValue():
            return [part for pair in value.items for part in pair]
        case Call():
            return [value.callee, *value.args]
        case _:
            return []
