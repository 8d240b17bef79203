"""CPython's C unpickler as a witness: what it asks for, calls and changes while it loads a pickle.

``find_class`` hands out inert classes, one for each name. Nothing is imported, nothing of the
pickle is called. ``loads`` has no ``find_class`` to replace: there an audit hook stands in the way
of every import but that of a module that is made up.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fuzz.grammar import EXTENSIONS, MADE_UP, SPELLER

Name = tuple[str, str]

#: Classes kept; mutations make names without end.
_MOST_CLASSES = 2_000
_BUFFERS = (b"abc",) * 4


@dataclass(slots=True)
class Seen:
    """The names asked for, those called, and those changed (or whose results were)."""

    names: set[Name] = field(default_factory=set)
    called: set[Name] = field(default_factory=set)
    changed: set[Name] = field(default_factory=set)
    #: A limit of ours ran out, which the report says.
    limited: bool = False
    #: Readers part on where the pickle ends.
    parted: bool = False


#: Of the load at work.
_seen = Seen()


class _Still(type):
    """A class that stays as it is: one case must not leave traces for the next."""

    def __setattr__(cls, name: str, value: object) -> None:
        pass


class _Inert(metaclass=_Still):
    """What every name stands for: takes anything, does nothing."""

    stands_for: Name | None = None

    def __new__(cls, *args: object, **kwargs: object) -> object:
        if cls.stands_for is not None:
            _seen.called.add(cls.stands_for)
            if cls.stands_for[0] == SPELLER:
                return "os"
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: object, **kwargs: object) -> object:
        return _Inert()

    def __setattr__(self, name: str, value: object) -> None:
        pass

    @classmethod
    def _change(cls, *args: object) -> None:
        # The machine in Python extends by nothing as well.
        if cls.stands_for is not None and args != ([],):
            _seen.changed.add(cls.stands_for)

    __setstate__ = append = extend = add = __setitem__ = _change


class _Holder(_Still):
    """A class on which SETITEM works as well: C asks the type of what it changes."""

    def __setitem__(cls, key: object, value: object) -> None:
        cls._change()  # type: ignore[attr-defined]


_classes: dict[Name, type] = {}


def _standing_for(module: str, name: str) -> type:
    key = (module, name)
    found = _classes.get(key)
    if found is None:
        found = _Holder("Inert", (_Inert,), {"stands_for": key})
        if len(_classes) < _MOST_CLASSES:
            _classes[key] = found
    return found


class _Recorder(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        _seen.names.add((module, name))
        return _standing_for(module, name)

    def persistent_load(self, key: object) -> object:
        return key if isinstance(key, str) else _Inert()


class _InPython(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """The same machine in Python, which joblib builds upon. It differs in details."""

    def find_class(self, module: str, name: str) -> type:
        _seen.names.add((module, name))
        return _standing_for(module, name)

    def persistent_load(self, key: object) -> object:
        return key if isinstance(key, str) else _Inert()


class _NoPeek:
    """A file with nothing but what an unpickler cannot do without."""

    def __init__(self, raw: bytes) -> None:
        file = io.BytesIO(raw)
        self.read, self.readline = file.read, file.readline


Load = Callable[[bytes], None]


def _loading(
    opened: Callable[[bytes], object], encoding: str, *, times: int = 1, python: bool = False
) -> Load:
    kind = _InPython if python else _Recorder

    def load(raw: bytes) -> None:
        unpickler = kind(opened(raw), encoding=encoding, buffers=_BUFFERS)
        for _ in range(times):
            unpickler.load()

    return load


def _afresh(opened: Callable[[bytes], object]) -> Load:
    """A new unpickler for each pickle of the stream, as ``pickle.load(file)`` makes one."""

    def load(raw: bytes) -> None:
        file = opened(raw)
        for _ in range(4):
            _Recorder(file, encoding="utf-8", buffers=_BUFFERS).load()  # type: ignore[arg-type]

    return load


def _peeking(raw: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(raw))  # type: ignore[type-var]


def _peeking_little(raw: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(raw), 16)  # type: ignore[type-var]


def _loads(raw: bytes) -> None:
    pickle.loads(raw, encoding="utf-8", buffers=_BUFFERS)


#: Ways to load one pickle, by what tells them apart.
SINGLE: dict[str, Load] = {
    "bytes-file ascii": _loading(io.BytesIO, "ASCII"),
    "bytes-file utf-8": _loading(io.BytesIO, "utf-8"),
    "bytes-file latin-1": _loading(io.BytesIO, "latin-1"),
    "bytes-file bytes": _loading(io.BytesIO, "bytes"),
    "peeking ascii": _loading(_peeking, "ASCII"),
    "peeking utf-8": _loading(_peeking, "utf-8"),
    "peeking-little utf-8": _loading(_peeking_little, "utf-8"),
    "no-readinto utf-8": _loading(_NoPeek, "utf-8"),
    "loads utf-8": _loads,
}
#: Beside them: not C, and slow.
PYTHON: dict[str, Load] = {
    "python utf-8": _loading(io.BytesIO, "utf-8", python=True),
    "python ascii": _loading(io.BytesIO, "ASCII", python=True),
}
#: Ways to load a stream of several.
STREAMS: dict[str, Load] = {
    "bytes-file, one unpickler": _loading(io.BytesIO, "utf-8", times=4),
    "peeking, one unpickler": _loading(_peeking, "utf-8", times=4),
    "bytes-file, one each": _afresh(io.BytesIO),
    "peeking, one each": _afresh(_peeking),
}


def witness(load: Load, raw: bytes) -> tuple[Seen, bool]:
    """What was seen up to the end or up to where the load failed, and whether memory ran out."""
    global _seen
    _seen = Seen()
    copyreg._extension_cache.clear()  # type: ignore[attr-defined]
    try:
        load(raw)
    except MemoryError:
        return _seen, True
    except Exception:
        pass  # a broken pickle: what was seen before counts
    return _seen, False


class _Refused(Exception):
    """No import but that of the made-up module."""


def _guard(event: str, args: tuple[object, ...]) -> None:
    if event == "pickle.find_class":
        module, name = str(args[0]), str(args[1])
        _seen.names.add((module, name))
        if module != MADE_UP:
            raise _Refused


class _MadeUp(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        return _standing_for(MADE_UP, name)


def prepare() -> None:
    """Once in a process, which stays marked by it: the audit hook cannot be taken off."""
    sys.addaudithook(_guard)
    sys.modules[MADE_UP] = _MadeUp(MADE_UP)
    for code, (module, name) in EXTENSIONS.items():
        copyreg.add_extension(module, name, code)
