"""joblib's pickles: where an array belongs, its bytes stand in the middle of the pickle.

joblib's unpickler reads them when it sets the state of a ``NumpyArrayWrapper``, and goes on with
the pickle behind them. Anybody else's takes the same bytes for opcodes; both are followed.
"""

from __future__ import annotations

from bisect import bisect_right
from math import prod

from scanner.errors import FileError, LimitExceeded
from scanner.formats import pickles
from scanner.formats.storages import constant, natural
from scanner.limits import Limits
from scanner.opcodes import machine
from scanner.opcodes.trace import Mutation, Trace
from scanner.opcodes.values import Call, Const, DictValue, Global, ListValue, TupleValue, Value
from scanner.source import Source

_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_DTYPE = "dtype"
#: Each array has the pickle traced anew up to the next one.
_MOST_ARRAYS = 500
_SIZES = {"U": 4, "b": 1, "?": 1}


class Spliced(Source):
    """A source without some of its bytes: the arrays."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.file_offset = None
        self.size = source.size
        #: Where bytes are left out, in offsets of this source, and how many up to there.
        self._places: list[int] = []
        self._left_out: list[int] = [0]

    def leave_out(self, at: int, length: int) -> None:
        """Leave out ``length`` bytes at ``at``, behind every place so far."""
        self._places.append(at)
        self._left_out.append(self._left_out[-1] + length)
        self.size -= length

    def original(self, offset: int) -> int:
        """Where a byte of this source lies in the whole one."""
        return offset + self._left_out[bisect_right(self._places, offset)]

    def _pread(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        while length > 0:
            index = bisect_right(self._places, offset)
            stop = self._places[index] if index < len(self._places) else self.size
            size = min(length, stop - offset)
            if size <= 0:
                break
            parts.append(self.source.read(self.original(offset), size))
            offset, length = offset + size, length - size
        return b"".join(parts)


def speaks_of(stream: pickles.Stream) -> bool:
    """Whether a pickle names joblib's wrapper."""
    return any(
        (use.target.module, use.target.name) == _WRAPPER
        for trace in stream.traces
        for use in trace.imports
    )


def read(source: Source, limits: Limits, member: str) -> tuple[pickles.Stream, Spliced] | None:
    """The stream as joblib reads it: traces over the spliced source, and those of the object
    arrays, which are pickles of their own; None where the arrays cannot be stepped over."""
    spliced = Spliced(source)
    inner: list[Trace] = []
    done = -1
    opcodes = 0
    for _ in range(_MOST_ARRAYS):
        left = limits._replace(opcodes=max(limits.opcodes - opcodes, 1))
        trace = machine.trace(spliced, 0, left, member=member)
        opcodes += trace.opcodes
        found = next((item for item in _wrappers(trace) if item.offset > done), None)
        if found is None:
            stream = pickles.stream(spliced, limits, member)
            return stream._replace(traces=(*stream.traces, *inner)), spliced
        done = found.offset
        try:
            start = spliced.original(done + 1)
            length, nested = _array(source, start, found.argument, left, member)
        except FileError:
            return None
        inner += nested
        spliced.leave_out(done + 1, length)
    raise LimitExceeded("arrays", _MOST_ARRAYS, "too many arrays in one pickle")


def _wrappers(trace: Trace) -> list[Mutation]:
    return [
        item
        for item in trace.mutations
        if item.opcode == "BUILD" and isinstance(item.target, Call) and _is_wrapper(item.target)
    ]


def _is_wrapper(call: Call) -> bool:
    callee = call.callee
    # Protocols 0 and 1 make it by copyreg's helper.
    names = [callee, *(item for item in call.args[:1] if isinstance(item, Global))]
    return any(isinstance(name, Global) and (name.module, name.name) == _WRAPPER for name in names)


def _array(
    source: Source, start: int, state: Value, limits: Limits, member: str
) -> tuple[int, list[Trace]]:
    """How many bytes the array takes from ``start`` on, and its pickle if it is one."""
    fields = dict(_fields(state))
    kind = fields.get(_DTYPE)
    spelt = constant(kind.args[0]) if isinstance(kind, Call) and kind.args else None
    if isinstance(spelt, bytes):
        spelt = spelt.decode("latin-1")
    if not isinstance(spelt, str) or not spelt:
        raise FileError("joblib.dtype", "an element type that is none")
    spelt = spelt.lstrip("<>=|")
    if spelt[:1] == "O":
        trace = machine.trace(source, start, limits, member=member)
        return max(trace.end - start, 0), [trace]
    if not spelt[1:].isdigit() or len(spelt) > 9:
        raise FileError("joblib.dtype", "an element type of unknown size")
    size = int(spelt[1:]) * _SIZES.get(spelt[0], 1)
    padding = 0
    if natural(fields.get("numpy_array_alignment_bytes")) is not None:
        padding = 1 + source.read(start, 1)[0]
    length = padding + prod(_shape(fields.get("shape"))) * size
    source.window(start, length)
    return length, []


def _fields(state: Value) -> list[tuple[str, Value]]:
    found: list[tuple[str, Value]] = []
    for part in state.items if isinstance(state, TupleValue) else [state]:
        if isinstance(part, DictValue):
            found += [(str(_name(key)), value) for key, value in part.items]
    return found


def _name(key: Value) -> object:
    name = constant(key)
    return name.decode("latin-1") if isinstance(name, bytes) else name


def _shape(value: Value | None) -> list[int]:
    if not isinstance(value, (TupleValue, ListValue)):
        raise FileError("joblib.shape", "a shape that is none")
    sizes = [item.value for item in value.items if isinstance(item, Const)]
    numbers = [size for size in sizes if type(size) is int and 0 <= size < 1 << 40]
    if len(numbers) != len(value.items) or len(numbers) > 64:
        raise FileError("joblib.shape", "a size that is none")
    return numbers
