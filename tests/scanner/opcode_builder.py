"""Pickles written opcode by opcode. What comes out is read by the scanner and never loaded."""

from __future__ import annotations

import struct

from scanner.limits import DEFAULT, Limits
from scanner.opcodes.machine import trace
from scanner.opcodes.table import CODES
from scanner.opcodes.trace import Trace
from scanner.report import Finding
from scanner.rules import RULES
from scanner.source import BytesSource

STOP = CODES["STOP"]
EMPTY = CODES["EMPTY_TUPLE"]
REDUCE = CODES["REDUCE"]
BUILD = CODES["BUILD"]
MARK = CODES["MARK"]


def op(name: str, argument: bytes = b"") -> bytes:
    return CODES[name] + argument


def proto(version: int) -> bytes:
    return op("PROTO", bytes([version]))


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return op("BINUNICODE", struct.pack("<I", len(raw)) + raw)


def data(value: bytes) -> bytes:
    return op("BINBYTES", struct.pack("<I", len(value)) + value)


def integer(value: int) -> bytes:
    return op("BININT", struct.pack("<i", value))


def name(module: str, attribute: str) -> bytes:
    return op("GLOBAL", f"{module}\n{attribute}\n".encode())


def stack_name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + op("STACK_GLOBAL")


def tuple_of(*items: bytes) -> bytes:
    return MARK + b"".join(items) + op("TUPLE")


def dict_of(*pairs: tuple[bytes, bytes]) -> bytes:
    body = b"".join(key + value for key, value in pairs)
    return op("EMPTY_DICT") + MARK + body + op("SETITEMS")


def call(callee: bytes, *args: bytes) -> bytes:
    return callee + tuple_of(*args) + REDUCE


def storage(kind: str = "FloatStorage", key: str = "0", numel: int = 4) -> bytes:
    """A persistent id as torch writes it."""
    parts = (text("storage"), name("torch", kind), text(key), text("cpu"), integer(numel))
    return tuple_of(*parts) + op("BINPERSID")


def ordered_dict() -> bytes:
    return name("collections", "OrderedDict") + EMPTY + REDUCE


def tensor() -> bytes:
    """A tensor of four floats, as torch.save writes it."""
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        storage(),
        integer(0),
        tuple_of(integer(4)),
        tuple_of(integer(1)),
        op("NEWFALSE"),
        ordered_dict(),
    )


def pickled(*parts: bytes, protocol: int = 2) -> bytes:
    return proto(protocol) + b"".join(parts) + STOP


def traced(raw: bytes, limits: Limits = DEFAULT, **more: object) -> Trace:
    return trace(BytesSource(raw, 0), 0, limits, member="data.pkl", **more)  # type: ignore[arg-type]


def found(rule: str, raw: bytes) -> list[Finding]:
    """What one rule says of one pickle."""
    return list(RULES[rule].check(traced(raw)))


def names(trace_: Trace) -> list[str]:
    return [str(use.target) for use in trace_.imports]
