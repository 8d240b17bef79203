"""What one pickle would do if it were loaded: the machine's result, and the rules' input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from scanner.opcodes.values import Call, Extension, Global, Persistent, Value
from scanner.source import Source


class Import(NamedTuple):
    """One place where a name is asked for. ``offset`` is relative to the pickle's member."""

    target: Global
    opcode: str
    offset: int


class Mutation(NamedTuple):
    """BUILD, SETITEM(S), APPEND(S) or ADDITEMS on something that is no plain container of the
    fitting type; on the result of a call, too (the call holds the values as well)."""

    target: Value
    opcode: str
    offset: int
    argument: Value


class Oddity(NamedTuple):
    """A form that a real pickler never writes, or that readers disagree on. ``fatal`` means that
    the machine could not go on from here: the rest of the pickle was not read."""

    code: str
    message: str
    offset: int
    opcode: str | None = None
    fatal: bool = False


class Trace(NamedTuple):
    """One pickle, from ``start`` to just past its STOP (``end``), both relative to the member."""

    member: str
    start: int
    end: int
    result: Value | None
    imports: tuple[Import, ...] = ()
    calls: tuple[Call, ...] = ()
    mutations: tuple[Mutation, ...] = ()
    persistent: tuple[Persistent, ...] = ()
    extensions: tuple[Extension, ...] = ()
    oddities: tuple[Oddity, ...] = ()
    protocol: int = 0
    opcodes: int = 0
    #: Offset of the member's first byte in the file; None when the member was inflated.
    file_offset: int | None = None
    #: The memo after STOP: a second pickle in the same stream may go on with it.
    memo: Mapping[int, Value] = {}
    #: The member, to read the bytes around a finding again.
    source: Source | None = None
    #: Other ways in which some reader would follow the same bytes.
    alternates: tuple[Trace, ...] = ()
