"""The pickle machine against CPython's C unpickler: every name that C asks for must be in ours.

C runs with ``find_class`` replaced by a recorder that hands out inert classes: nothing is imported
and nothing of the pickle is called. Run by ``test_differential`` in a child with a memory limit,
or alone for longer: ``python -m tests.fuzz.differential SEED CASES``.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import random
import struct
import sys
import warnings

from scanner.limits import Limits
from scanner.opcodes.machine import trace
from scanner.opcodes.table import CODES, OPS, Shape
from scanner.source import BytesSource

_LIMITS = Limits(opcodes=5_000)
#: Enough memo for any case here; C would allocate a table as long as the index.
_HIGHEST_INDEX = 1_000


class Inert:
    """What every name stands for: takes anything, does nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> Inert:
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def extend(self, values: object) -> None:
        pass

    def add(self, value: object) -> None:
        pass


class Recorder(pickle.Unpickler):
    def __init__(self, file: io.IOBase, encoding: str) -> None:
        super().__init__(file, encoding=encoding)  # type: ignore[arg-type]
        self.asked: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> type:
        self.asked.add((module, name))
        return type("Inert", (Inert,), {})

    def persistent_load(self, key: object) -> Inert:
        return Inert()


def oracle(raw: bytes, encoding: str, *, peek: bool) -> set[tuple[str, str]]:
    file: io.IOBase = io.BytesIO(raw)
    if peek:
        file = io.BufferedReader(file)  # type: ignore[type-var]
    recorder = Recorder(file, encoding)
    # A broken pickle: what was asked for before counts.
    with contextlib.suppress(Exception):
        recorder.load()
    return recorder.asked


def ours(raw: bytes) -> set[tuple[str, str]]:
    whole = trace(BytesSource(raw, 0), 0, _LIMITS, member="")
    return {
        (use.target.module, use.target.name)
        for one in (whole, *whole.alternates)
        for use in one.imports
    }


_MODULES = (b"os", b"posix", b"collections", b"torch._utils", b"\xc3\xa9", b"a.b")
_NAMES = (b"system", b"OrderedDict", b"x.y", b"_rebuild_tensor_v2")
_NUMBERS = (
    b"0",
    b"1",
    b"00",
    b"01",
    b"0x1",
    b"-7",
    b" 1",
    b"+1",
    b"017",
    b"0o17",
    b"12345678901234567890",
    b"1_0",
    b"0b1",
    b"",
    b"09",
    b"1\0x",
    b"-0",
    b"0x",
    b"1 ",
)
_STRINGS = (
    b"'os'",
    b'"system"',
    b"'\\x6fs'",
    b"'o\\163'",
    b"'\\",
    b"'a\\'b'",
    b"x",
    b"'caf\xc3\xa9'",
    b"''",
    b"'",
    b"'o\\\ns'",
)
_COMMON = (
    "MARK", "POP", "DUP", "TUPLE", "EMPTY_TUPLE", "STACK_GLOBAL", "REDUCE", "MEMOIZE", "BUILD",
    "GLOBAL", "SHORT_BINUNICODE", "BINGET", "BINPUT", "STRING", "FRAME", "INST", "OBJ", "POP_MARK",
)  # fmt: skip


def _argument(rng: random.Random, name: str, shape: Shape) -> bytes:
    if name == "FRAME":
        return struct.pack("<Q", rng.choice((0, 3, 7, 20, 60)))
    if shape is Shape.LINE:
        if name in ("GET", "PUT"):
            return rng.choice((b"0", b"1", b"2", b" 1", b"-1", b"x", b"1_0")) + b"\n"
        pool = (
            _STRINGS
            if name == "STRING"
            else _NUMBERS
            if name != "UNICODE"
            else (b"os", b"\\u006fs")
        )
        return rng.choice(pool) + b"\n"
    if shape is Shape.LINES:
        return rng.choice(_MODULES) + b"\n" + rng.choice(_NAMES) + b"\n"
    word = rng.choice((*_MODULES, *_NAMES, b"", b"\xff", b"x" * rng.randrange(40)))
    lengths = {
        Shape.COUNTED1: "<B", Shape.COUNTED4: "<I", Shape.COUNTED4S: "<i", Shape.COUNTED8: "<Q",
    }  # fmt: skip
    if shape in lengths:
        return struct.pack(lengths[shape], len(word)) + word
    if shape is Shape.U1:
        return bytes([rng.randrange(6)])
    if shape is Shape.U2:
        return struct.pack("<H", rng.randrange(300))
    if shape in (Shape.I4, Shape.U4):
        return struct.pack("<I", rng.randrange(_HIGHEST_INDEX))
    return rng.randbytes({Shape.U8: 8, Shape.F8: 8}.get(shape, 0))


def _grown(rng: random.Random) -> bytes:
    """A pickle by the grammar of opcodes, though seldom one that makes sense."""
    parts = [CODES["PROTO"] + bytes([rng.randrange(6)])] if rng.random() < 0.7 else []
    every = list(OPS.values())
    for _ in range(rng.randrange(2, 40)):
        op = OPS[CODES[rng.choice(_COMMON)][0]] if rng.random() < 0.6 else rng.choice(every)
        parts.append(CODES[op.name] + _argument(rng, op.name, op.shape))
    return b"".join(parts) + CODES["STOP"]


def _sensible(rng: random.Random) -> bytes:
    """A pickle that C reads far into: names by memo, through frames and past odd numbers."""

    def word(raw: bytes) -> bytes:
        return rng.choice((
            CODES["SHORT_BINUNICODE"] + bytes([len(raw)]) + raw,
            CODES["STRING"] + b"'" + raw + b"'\n",
            CODES["BINUNICODE"] + struct.pack("<I", len(raw)) + raw,
        ))  # fmt: skip

    parts = [CODES["PROTO"] + b"\4"]
    for _ in range(rng.randrange(1, 5)):
        if rng.random() < 0.4:
            parts.append(CODES["FRAME"] + struct.pack("<Q", rng.randrange(40)))
        module, name = rng.choice((b"os", b"posix")), rng.choice((b"system", b"popen"))
        slot = bytes([rng.randrange(4)])
        put, get = CODES["BINPUT"] + slot, CODES["BINGET"] + slot
        parts += rng.choice((
            [word(module), put, CODES["POP"], get, word(name), CODES["STACK_GLOBAL"]],
            [word(module), CODES["MARK"], word(name), CODES["DUP"], CODES["POP_MARK"],
             word(name), CODES["STACK_GLOBAL"]],
            [CODES["GLOBAL"] + module + b"\n" + name + b"\n"],
            [CODES["INT"] + rng.choice(_NUMBERS) + b"\n"],
            [CODES["MARK"], word(name), CODES["INST"] + module + b"\n" + name + b"\n"],
        ))  # fmt: skip
        if rng.random() < 0.5:
            parts.append(rng.choice((CODES["MEMOIZE"], CODES["POP"], CODES["TUPLE1"], b"")))
    return b"".join(parts) + CODES["STOP"]


def _mutated(rng: random.Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                changed.insert(at, rng.choice(list(OPS)))
            case 2 if len(changed) > 2:
                del changed[at]
            case _:
                del changed[max(at, 1) :]
    return bytes(changed)


def cases(seed: int, count: int) -> list[bytes] | None:
    """The first pickle on which we miss a name, with that name; None if there is none."""
    rng = random.Random(seed)
    for _ in range(count):
        raw = rng.choice((_grown, _sensible))(rng)
        if rng.random() < 0.5:
            raw = _mutated(rng, raw)
        seen = ours(raw)
        for encoding in ("ASCII", "utf-8"):
            for peek in (False, True):
                missed = oracle(raw, encoding, peek=peek) - seen
                if missed:
                    return [raw, repr((missed, encoding, peek)).encode()]
    return None


def main() -> int:
    warnings.simplefilter("ignore")
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    missed = cases(seed, count)
    print(missed if missed else f"{count} cases, every name seen")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
