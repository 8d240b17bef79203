"""Pickles for fuzzing: grown by a grammar that the C unpickler can follow, then bent.

A pickle is a list of tokens, an opcode with its argument each, so that it can be cut and joined
where opcodes end as well as anywhere else.
"""

from __future__ import annotations

import collections
import datetime
import io
import pathlib
import pickle
import pickletools
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from scanner.opcodes.table import CODES, OPS, Op, Shape

#: The oracle makes this module up: what is in it may be reached through ``loads`` as well.
MADE_UP = "made_up"
#: A call of what is in this module gives a string, so that a name may be made at load time.
SPELLER = "speller"
#: Extension codes that the oracle registers, with what they stand for.
EXTENSIONS = {1: ("extended", "one"), 300: ("extended", "two"), 70_000: ("extended", "three")}

Tokens = list[bytes]
_T = TypeVar("_T")

_MODULES = (
    b"os", b"posix", b"collections", b"torch._utils", b"a.b", b"\xc3\xa9", b"__builtin__",
    *(MADE_UP.encode(),) * 5, SPELLER.encode(),
)  # fmt: skip
_NAMES = (b"system", b"OrderedDict", b"x.y", b"_rebuild_tensor_v2", b"eval", b"popen", b"os")
_NUMBERS = (
    b"0", b"1", b"00", b"01", b"0x1", b"-7", b" 1", b"+1", b"017", b"0o17", b"1_0", b"0b1", b"",
    b"12345678901234567890", b"09", b"1\0x", b"-0", b"0x", b"1 ", b"-9223372036854775809", b"\t7",
    b"0X1f", b"1L", b"0x1L", b"0o17L", b"7\r", b"\xd9\xa3", b"1__0", b"- 1", b"00000000000000001",
)  # fmt: skip
_FLOATS = (b"1.5", b"1e5", b"inf", b"nan", b" 1.5", b"1.5 ", b"1_0.5", b"", b"0x1p3", b"1.5\0x")
_STRINGS = (
    b"'os'", b'"system"', b"'\\x6fs'", b"'o\\163'", b"'\\", b"'a\\'b'", b"x", b"'caf\xc3\xa9'",
    b"''", b"'", b"'o\\\ns'", b"'\\x6'", b"'\\q'", b" 'os'", b"'os' ", b"'os'\r", b"'o\"s'",
)  # fmt: skip
_TEXTS = (b"os", b"\\u006fs", b"\\U0000006fs", b"\\ud800", b"\\u00", b"caf\xe9", b"")
_INDICES = (b"0", b"1", b"2", b" 1", b"-1", b"x", b"1_0", b"01", b"+2", b"2 ", b"1\0", b"\xd9\xa3")
_LENGTHS = {
    Shape.COUNTED1: "<B", Shape.COUNTED4: "<I", Shape.COUNTED4S: "<i", Shape.COUNTED8: "<Q",
}  # fmt: skip
#: How many bent pickles come of one.
_BENT = 3
_EVERY = tuple(OPS.values())
_OPCODES = bytes(OPS)
#: How other formats begin, as far as those bytes are opcodes too.
_HEADS = (
    b"PK\x03\x04\n0", b"MZ\x900", b"GIF89a\0\0\x000", b"GGUF\3\0\0\0\x000", b"\x89PNG\r\n0",
    b"]0", b"}0", b"(", b"\x80\x02", b"I1\n0", b"BZh9\0\0\0\0", b"U\x01a0", b"\x93NUMPY",
)  # fmt: skip

_MARK, _STOP, _POP, _DUP = (CODES[name] for name in ("MARK", "STOP", "POP", "DUP"))


class Grower:
    """Random pickles out of one seed. Every choice goes through ``random``: that is fast."""

    def __init__(self, seed: int | str) -> None:
        rng = random.Random(seed)
        self._rng = rng
        self.random = rng.random
        self._real = tuple(_real())
        #: The pickle at work.
        self._out: Tokens = []
        self._memo: list[int] = []
        self._values: tuple[Callable[[int], None], ...] = (
            *(self._name,) * 6, *(self._call,) * 5, self._word, self._constant, self._odd,
            self._collection, self._recalled, self._persistent, self._extension, self._mutated,
        )  # fmt: skip

    # Whole cases.

    def pickles(self) -> Iterator[bytes]:
        """One pickle, and a few that come of bending it: that is faster than growing each."""
        tokens = self._tokens()
        whole = b"".join(tokens)
        yield whole
        for _ in range(_BENT):
            if self.random() < 0.7:
                bent = list(tokens)
                self._tokens_bent(bent)
                yield b"".join(bent)
            else:
                yield self._bytes_bent(whole)

    def stream(self) -> bytes:
        """Several pickles in a row; the later ones may recall what the first remembered."""
        count = 2 + self._below(2)
        parts: Tokens = [self._one(_HEADS)] if self.random() < 0.2 else []
        self._memo = []
        for _ in range(count):
            parts += self._grown(keep=self.random() < 0.7)
            if self.random() < 0.05:
                parts.append(self._one((b"\0", b"\n", b"junk", b"\x80")))
        return self._bytes_bent(b"".join(parts)) if self.random() < 0.2 else b"".join(parts)

    def _tokens(self) -> Tokens:
        """A pickle grown, real or both joined, or opcodes in any order."""
        kind = self.random()
        if kind < 0.75:
            return self._grown()
        if kind < 0.81:
            return list(self._one(self._real))
        if kind < 0.96:
            real, grown = self._one(self._real), self._grown()
            start, at = self._below(len(real)), self._below(len(grown))
            return [*grown[:at], *real[start : start + 1 + self._below(12)], *grown[at:]]
        return [self._random() for _ in range(2 + self._below(20))] + [_STOP]

    def _grown(self, *, keep: bool = False) -> Tokens:
        """A pickle that makes sense up to its oddities."""
        self._out = out = []
        if not keep:
            self._memo = []
        if self.random() < 0.8:
            out.append(self._protocol())
        for _ in range(1 + self._below(2)):
            if self.random() < 0.1:
                out.append(self._frame())
            self._value(1 + self._below(2))
            if self.random() < 0.3:
                out.append(_POP)
        out.append(_STOP)
        return out

    # Values: each leaves exactly one on the stack.

    def _value(self, depth: int) -> None:
        self._one(self._values)(depth)
        chance = self.random()
        if chance < 0.2:
            self._put()
        elif chance < 0.3:
            self._noise(depth)

    def _name(self, depth: int) -> None:
        module, name = self._one(_MODULES), self._one(_NAMES)
        kind = self._below(10)
        out = self._out
        if kind < 3:
            out.append(b"c" + module + b"\n" + name + b"\n")
        elif kind == 3:
            # What lies between the mark and INST are the arguments.
            out.append(_MARK)
            if depth and self.random() < 0.5:
                self._value(depth - 1)
            out.append(b"i" + module + b"\n" + name + b"\n")
        elif kind == 4:
            out.append(self._spelt(name))
            out += (_DUP, b"\x93")
        else:
            for word in (module, name):
                out.append(self._spelt(word))
                self._detour(depth)
            out.append(b"\x93")

    def _detour(self, depth: int) -> None:
        """The value on top taken away and brought back, or something put over it and removed."""
        kind = self.random()
        out = self._out
        if kind < 0.45:
            return
        if kind < 0.6:
            slot = self._put()
            out += (_POP, self._get(slot))
        elif kind < 0.65:
            out += (_DUP, _POP)
        elif kind < 0.75:
            self._noise(depth)
        elif kind < 0.85:
            out.append(self._frame())
        elif kind < 0.9:
            out += (_MARK, b"N", b"1")
        else:
            self._put()

    def _call(self, depth: int) -> None:
        out = self._out
        kind = self._below(6)
        if kind == 0:
            out.append(_MARK)
            self._name(depth)
            if depth and self.random() < 0.5:
                self._value(depth - 1)
            out.append(b"o")
            return
        if depth and self.random() < 0.15:
            self._value(depth - 1)
        else:
            self._name(depth)
        self._arguments(depth)
        if kind == 1:
            out.append(b"\x81")
        elif kind == 2:
            out += (b"}", b"\x92")
        else:
            out.append(b"R")

    def _arguments(self, depth: int) -> None:
        out = self._out
        count = self._below(4) if depth else 0
        if self.random() < 0.3:
            out.append(_MARK)
            for _ in range(count):
                self._value(depth - 1)
            out.append(b"t")
            return
        for _ in range(count):
            self._value(depth - 1)
        out.append((b")", b"\x85", b"\x86", b"\x87")[count])

    def _mutated(self, depth: int) -> None:
        out = self._out
        self._value(depth - 1) if depth else self._name(0)
        kind = self._below(5)
        if kind in (1, 3, 4):
            out.append(_MARK)
        for _ in range(1 if kind in (0, 2) else 2 * self._below(3)):
            self._value(depth - 1) if depth else self._constant(0)
        out.append((b"b", b"u", b"a", b"e", b"\x90")[kind])

    def _collection(self, depth: int) -> None:
        out = self._out
        empty, fill, whole = self._one((
            (b"]", b"e", b"l"), (b"}", b"u", b"d"), (b"\x8f", b"\x90", b"\x91"), (b")", b"", b"t"),
        ))  # fmt: skip
        count = 2 * self._below(3) if depth else 0
        late = self.random() < 0.5 and fill
        out += (empty, _MARK) if late else (_MARK,)
        for _ in range(count):
            self._value(depth - 1)
        out.append(fill if late else whole)

    def _word(self, _: int) -> None:
        self._out.append(self._spelt(self._one(_MODULES)))

    def _constant(self, _: int) -> None:
        self._out.append(self._one((
            b"N", b"\x88", b"\x89", b"K\7", b"M\7\0", b"J\7\0\0\0", b"]", b"}", b")", b"\x8f",
            b"G" + b"\0" * 8, b"C\3abc", b"\x96\3" + b"\0" * 7 + b"abc", b"\x97", b"\x97\x98",
            b"\x8a\2ab", b"\x8b\2\0\0\0ab",
        )))  # fmt: skip

    def _odd(self, _: int) -> None:
        kind = self._below(8)
        if kind < 5:
            token = self._one((b"I", b"L")) + self._one(_NUMBERS)
        elif kind == 5:
            token = b"F" + self._one(_FLOATS)
        elif kind == 6:
            token = b"S" + self._one(_STRINGS)
        else:
            token = b"V" + self._one(_TEXTS)
        self._out.append(token + b"\n")

    def _recalled(self, depth: int) -> None:
        if self._memo:
            self._out.append(self._get(self._one(self._memo)))
        else:
            self._name(depth)

    def _persistent(self, depth: int) -> None:
        if self.random() < 0.3:
            self._out.append(b"P" + self._one(_MODULES) + b"\n")
            return
        self._value(depth - 1) if depth else self._word(0)
        self._out.append(b"Q")

    def _extension(self, _: int) -> None:
        code = self._one((1, 300, 70_000)) if self.random() < 0.9 else self._one((0, 2, -1))
        if 0 <= code < 256 and self.random() < 0.7:
            self._out.append(b"\x82" + bytes((code,)))
        elif 0 <= code < 65_536 and self.random() < 0.7:
            self._out.append(b"\x83" + struct.pack("<H", code))
        else:
            self._out.append(b"\x84" + struct.pack("<i", code))

    # Parts of them.

    def _spelt(self, word: bytes) -> bytes:
        kind = self._below(12)
        if kind < 5:
            return b"\x8c" + bytes((len(word),)) + word
        if kind < 7:
            return b"X" + struct.pack("<I", len(word)) + word
        if kind == 7:
            return b"\x8d" + struct.pack("<Q", len(word)) + word
        if kind == 8:
            return b"U" + bytes((len(word),)) + word
        if kind == 9:
            return b"S'" + b"".join(b"\\x%02x" % byte for byte in word[:1]) + word[1:] + b"'\n"
        if kind == 10:
            return b"T" + struct.pack("<i", len(word)) + word
        return b"V" + b"".join(b"\\u%04x" % byte for byte in word[:1]) + word[1:] + b"\n"

    def _put(self) -> int:
        kind = self.random()
        if kind < 0.4:
            slot = len(set(self._memo))
            token = b"\x94"
        else:
            slot = self._below(6)
            token = self._one((
                b"q" + bytes((slot,)), b"q" + bytes((slot,)), b"r" + struct.pack("<I", slot),
                b"p%d\n" % slot,
            ))  # fmt: skip
        self._out.append(token)
        self._memo.append(slot)
        return slot

    def _get(self, slot: int) -> bytes:
        return self._one(
            (b"h" + bytes((slot & 255,)), b"j" + struct.pack("<I", slot), b"g%d\n" % slot)
        )

    def _protocol(self) -> bytes:
        # C refuses all from 6 on at once.
        return b"\x80" + bytes((self._below(6 if self.random() < 0.98 else 256),))

    def _frame(self) -> bytes:
        chance = self.random()
        size = self._below(14) if chance < 0.75 else self._below(60)
        return b"\x95" + struct.pack("<Q", size if chance < 0.97 else 1 << self._below(64))

    def _noise(self, depth: int) -> None:
        """Opcodes that leave the stack as it was."""
        out = self._out
        kind = self._below(6)
        if kind == 0:
            out.append(self._frame())
        elif kind == 1:
            out += (_DUP, _POP)
        elif kind == 2:
            out += (_MARK, _POP)
        elif kind == 3:
            out.append(self._protocol())
        elif kind == 4:
            out.append(_MARK)
            self._odd(0)
            out.append(b"1")
        elif depth:
            self._value(depth - 1)
            out.append(_POP)

    # Anything.

    def _random(self) -> bytes:
        op = self._one(_EVERY)
        return CODES[op.name] + self._argument(op)

    def _argument(self, op: Op) -> bytes:
        shape = op.shape
        if op.name == "FRAME":
            return self._frame()[1:]
        if shape is Shape.LINE:
            pool: Sequence[bytes] = _NUMBERS
            if op.name in ("GET", "PUT"):
                pool = _INDICES
            elif op.name in ("STRING", "UNICODE", "FLOAT"):
                pool = {"STRING": _STRINGS, "UNICODE": _TEXTS, "FLOAT": _FLOATS}[op.name]
            return self._one(pool) + b"\n"
        if shape is Shape.LINES:
            return self._one(_MODULES) + b"\n" + self._one(_NAMES) + b"\n"
        if shape in _LENGTHS:
            word = self._one(self._one((_MODULES, _NAMES, (b"", b"\xff", b"x" * 40))))
            return struct.pack(_LENGTHS[shape], len(word)) + word
        if shape is Shape.U1:
            return bytes((self._below(7),))
        if shape is Shape.U2:
            return struct.pack("<H", self._below(302))
        if shape in (Shape.I4, Shape.U4):
            return struct.pack("<I", self._below(1_000))
        return self._rng.randbytes({Shape.U8: 8, Shape.F8: 8}.get(shape, 0))

    # Bending.

    def _tokens_bent(self, tokens: Tokens) -> None:
        for _ in range(1 + self._below(2)):
            at, other = self._late(len(tokens)), self._below(len(tokens))
            kind = self._below(6)
            if kind == 0 and len(tokens) > 1:
                del tokens[at]
            elif kind == 1:
                other = self._late(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            elif kind == 2:
                tokens.insert(at, tokens[other])
            elif kind == 3:
                tokens.insert(at, self._frame())
            elif kind == 4:
                # A line without an end, or bytes that end early, reach into what follows.
                tokens[at] = tokens[at][:-1] or _DUP
            else:
                tokens.insert(at, self._random())

    def _bytes_bent(self, raw: bytes) -> bytes:
        changed = bytearray(raw)
        for _ in range(1 + self._below(2)):
            if not changed:
                break
            at = self._late(len(changed))
            kind = self._below(5)
            if kind == 0:
                changed[at] = self._below(256)
            elif kind == 1:
                changed.insert(at, _OPCODES[self._below(len(_OPCODES))])
            elif kind == 2:
                del changed[at]
            elif kind == 3:
                changed[at] ^= 1 << self._below(8)
            else:
                del changed[max(at, len(changed) // 2) :]
        return bytes(changed)

    def _late(self, count: int) -> int:
        """Rather behind than in front: what comes before is still read as it was meant."""
        return int(max(self.random(), self.random(), self.random()) * count)

    def _below(self, count: int) -> int:
        return int(self.random() * count)

    def _one(self, of: Sequence[_T]) -> _T:
        return of[int(self.random() * len(of))]


def tokens(raw: bytes) -> Tokens:
    """A sound pickle, opcode by opcode."""
    starts = [place or 0 for _, _, place in pickletools.genops(raw)]
    return [raw[start:stop] for start, stop in zip(starts, [*starts[1:], len(raw)], strict=True)]


class _Persistent(pickle.Pickler):
    def persistent_id(self, value: object) -> object:
        if value is not io.BytesIO:
            return None
        # Protocol 0 writes it as a line of text.
        return ("storage", len, "0", "cpu", 4) if self.bin else "key"


def _real() -> Iterator[Tokens]:
    """What genuine picklers write, in every protocol."""
    shared = ["twice"]
    values: tuple[object, ...] = (
        collections.OrderedDict(a=1, b=[1.5, None, True], c=(shared, shared)),
        {
            "set": {1, 2},
            "frozen": frozenset((3,)),
            "bytes": b"\0\xff",
            "array": bytearray(b"abc"),
            "queue": collections.deque((1,)),
        },
        [datetime.date(2024, 2, 29), pathlib.PurePosixPath("a/b"), 1 << 70, -1, complex(1, 2)],
        collections.defaultdict(list, {"x": [collections.Counter("abc")]}),
        ("é", "\ud800", "x" * 300, io.BytesIO, len, Grower),
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for value in values:
            file = io.BytesIO()
            _Persistent(file, protocol).dump(value)
            yield tokens(file.getvalue())
