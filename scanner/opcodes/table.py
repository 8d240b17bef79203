"""The opcodes of pickle protocols 0 to 5: byte, name, shape of the argument, first protocol.

The facts are those of CPython's ``Modules/_pickle.c`` and ``Lib/pickletools.py``.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Shape(Enum):
    """How an opcode's argument lies in the stream. Integers are little-endian."""

    NONE = auto()
    U1 = auto()
    U2 = auto()
    I4 = auto()
    U4 = auto()
    U8 = auto()
    F8 = auto()  # big-endian double
    LINE = auto()  # up to and with a newline
    LINES = auto()  # two of those
    COUNTED1 = auto()  # a length of so many bytes, then that many bytes
    COUNTED4 = auto()
    COUNTED4S = auto()  # a signed length; negative is refused
    COUNTED8 = auto()


class Op(NamedTuple):
    name: str
    shape: Shape
    protocol: int


_ROWS: tuple[tuple[bytes, str, Shape, int], ...] = (
    (b"(", "MARK", Shape.NONE, 0),
    (b".", "STOP", Shape.NONE, 0),
    (b"0", "POP", Shape.NONE, 0),
    (b"1", "POP_MARK", Shape.NONE, 1),
    (b"2", "DUP", Shape.NONE, 0),
    (b"F", "FLOAT", Shape.LINE, 0),
    (b"I", "INT", Shape.LINE, 0),
    (b"J", "BININT", Shape.I4, 1),
    (b"K", "BININT1", Shape.U1, 1),
    (b"L", "LONG", Shape.LINE, 0),
    (b"M", "BININT2", Shape.U2, 1),
    (b"N", "NONE", Shape.NONE, 0),
    (b"P", "PERSID", Shape.LINE, 0),
    (b"Q", "BINPERSID", Shape.NONE, 1),
    (b"R", "REDUCE", Shape.NONE, 0),
    (b"S", "STRING", Shape.LINE, 0),
    (b"T", "BINSTRING", Shape.COUNTED4S, 1),
    (b"U", "SHORT_BINSTRING", Shape.COUNTED1, 1),
    (b"V", "UNICODE", Shape.LINE, 0),
    (b"X", "BINUNICODE", Shape.COUNTED4, 1),
    (b"a", "APPEND", Shape.NONE, 0),
    (b"b", "BUILD", Shape.NONE, 0),
    (b"c", "GLOBAL", Shape.LINES, 0),
    (b"d", "DICT", Shape.NONE, 0),
    (b"}", "EMPTY_DICT", Shape.NONE, 1),
    (b"e", "APPENDS", Shape.NONE, 1),
    (b"g", "GET", Shape.LINE, 0),
    (b"h", "BINGET", Shape.U1, 1),
    (b"i", "INST", Shape.LINES, 0),
    (b"j", "LONG_BINGET", Shape.U4, 1),
    (b"l", "LIST", Shape.NONE, 0),
    (b"]", "EMPTY_LIST", Shape.NONE, 1),
    (b"o", "OBJ", Shape.NONE, 1),
    (b"p", "PUT", Shape.LINE, 0),
    (b"q", "BINPUT", Shape.U1, 1),
    (b"r", "LONG_BINPUT", Shape.U4, 1),
    (b"s", "SETITEM", Shape.NONE, 0),
    (b"t", "TUPLE", Shape.NONE, 0),
    (b")", "EMPTY_TUPLE", Shape.NONE, 1),
    (b"u", "SETITEMS", Shape.NONE, 1),
    (b"G", "BINFLOAT", Shape.F8, 1),
    (b"\x80", "PROTO", Shape.U1, 2),
    (b"\x81", "NEWOBJ", Shape.NONE, 2),
    (b"\x82", "EXT1", Shape.U1, 2),
    (b"\x83", "EXT2", Shape.U2, 2),
    (b"\x84", "EXT4", Shape.I4, 2),
    (b"\x85", "TUPLE1", Shape.NONE, 2),
    (b"\x86", "TUPLE2", Shape.NONE, 2),
    (b"\x87", "TUPLE3", Shape.NONE, 2),
    (b"\x88", "NEWTRUE", Shape.NONE, 2),
    (b"\x89", "NEWFALSE", Shape.NONE, 2),
    (b"\x8a", "LONG1", Shape.COUNTED1, 2),
    (b"\x8b", "LONG4", Shape.COUNTED4S, 2),
    (b"B", "BINBYTES", Shape.COUNTED4, 3),
    (b"C", "SHORT_BINBYTES", Shape.COUNTED1, 3),
    (b"\x8c", "SHORT_BINUNICODE", Shape.COUNTED1, 4),
    (b"\x8d", "BINUNICODE8", Shape.COUNTED8, 4),
    (b"\x8e", "BINBYTES8", Shape.COUNTED8, 4),
    (b"\x8f", "EMPTY_SET", Shape.NONE, 4),
    (b"\x90", "ADDITEMS", Shape.NONE, 4),
    (b"\x91", "FROZENSET", Shape.NONE, 4),
    (b"\x92", "NEWOBJ_EX", Shape.NONE, 4),
    (b"\x93", "STACK_GLOBAL", Shape.NONE, 4),
    (b"\x94", "MEMOIZE", Shape.NONE, 4),
    (b"\x95", "FRAME", Shape.U8, 4),
    (b"\x96", "BYTEARRAY8", Shape.COUNTED8, 5),
    (b"\x97", "NEXT_BUFFER", Shape.NONE, 5),
    (b"\x98", "READONLY_BUFFER", Shape.NONE, 5),
)

#: By the opcode's byte.
OPS: dict[int, Op] = {code[0]: Op(name, shape, proto) for code, name, shape, proto in _ROWS}
#: By name, for those who build pickles.
CODES: dict[str, bytes] = {name: code for code, name, _, _ in _ROWS}
