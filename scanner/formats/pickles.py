"""Pickles wherever they lie: streams of several, and bytes that might be one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import NamedTuple

from scanner import policy
from scanner.limits import Limits
from scanner.opcodes import machine
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Const, Value
from scanner.report import Tier
from scanner.source import Source

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
#: Pickles in one stream that are kept; accelerate and joblib write a handful. Of those behind them
#: only what somebody has to see is.
MOST_IN_A_STREAM = 1_000
#: What a pickle costs at least of the opcodes that one stream may have.
_LEAST_COST = 32
#: A trial reading of bytes that are probably no pickle may be short.
_TRIAL_OPCODES = 50_000
#: Places that are tried in one run of bytes, and the opcodes that all of them may take.
_TRIALS = 4_096
_TRIALS_OPCODES = 100_000
#: Of those found, how many are kept that are not dangerous, and that are.
_MOST_FOUND = 16
_MOST_DANGEROUS = 64
_PROTOCOL = re.compile(rb"\x80[\x00-\x05]")
_WORD = rb"[A-Za-z_][\w.]{0,100}+"
# Protocols 0 and 1 have no mark of their own, and the others may do without it: what names an
# object starts with one of these.
_SHORT = rb"\x8c." + _WORD + rb"\x94?\x8c." + _WORD + rb"\x94?\x93"
_BEGIN = re.compile(
    rb"(?s)\x80[\x00-\x05]|" + _SHORT + rb"|(?:c|\(?i)" + _WORD + rb"\n" + _WORD + rb"\n"
)
#: The same anywhere, each found by its first byte. A text import is found by the end of its first
#: line: the opcode may stand on any letter of that line.
_ANYWHERE = (_PROTOCOL, re.compile(_SHORT, re.DOTALL))
_LINE_END = re.compile(rb"\n(?=" + _WORD + rb"\n)")
_LINE = re.compile(rb"[\w.]+\Z")
_IMPORTS = re.compile(rb"[ci]")
#: Ends of lines that are looked at in one run of bytes.
_LINE_ENDS = 100_000
#: Bytes that show whether a pickle begins, and so how far one may reach into the next chunk.
BEGINNING = 256
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Stream(NamedTuple):
    """The pickles from ``start`` on; ``end`` is just behind the last one."""

    traces: tuple[Trace, ...]
    end: int

    @property
    def broken(self) -> bool:
        return any(is_fatal(trace) for trace in self.traces)


def is_fatal(trace: Trace) -> bool:
    """Whether the machine stopped before the pickle's STOP."""
    return any(oddity.fatal for oddity in trace.oddities)


def names_objects(trace: Trace) -> bool:
    """Whether the pickle asks for a name that could be one, or an extension code."""
    return bool(trace.extensions) or any(
        _NAME.fullmatch(use.target.module) and _NAME.fullmatch(use.target.name)
        for use in trace.imports
    )


def credible(trace: Trace) -> bool:
    """Whether the bytes were meant as a pickle: read to STOP, or naming objects on the way. A list
    of words may name some, and never gets further: "cos" and "sin" on two lines are ``os.sin``."""
    calls = any(not call.spread for call in trace.calls)
    acts = trace.protocol > 1 or calls or bool(trace.extensions)
    return not is_fatal(trace) or (acts and names_objects(trace))


def has_mark(head: bytes) -> bool:
    """Whether the bytes begin as protocols 2 and up do."""
    return _PROTOCOL.match(head) is not None


def begins(head: bytes) -> bool:
    """Whether the bytes begin as a pickle of any protocol that names something does."""
    return _BEGIN.match(head) is not None


def stream(source: Source, limits: Limits, member: str, start: int = 0) -> Stream:
    """Every pickle from ``start`` on, each as a fresh load reads it. One Unpickler that loads
    twice keeps its memo: where a later pickle needs that, or turns dangerous by it, it is traced
    with the earlier ones' memo as well."""
    traces: list[Trace] = []
    at, opcodes = start, 0
    memo: dict[int, Value] = {}
    while at < source.size and len(traces) < 2 * MOST_IN_A_STREAM:
        left = limits._replace(opcodes=max(limits.opcodes - opcodes, 1))
        trace = machine.trace(source, at, left, member=member)
        after = trace.memo
        many = len(traces) >= MOST_IN_A_STREAM
        if memo and not many and not is_torch_magic(traces[0]):
            carried = machine.trace(source, at, left, member=member, memo=memo)
            after = carried.memo
            if is_fatal(trace) and not is_fatal(carried):
                trace = carried
            elif _dangerous(carried) - _dangerous(trace):
                traces.append(carried)
        meant = credible(trace) or names_objects(trace) or has_mark(source.peek(at, 2))
        if traces and not meant:
            break
        if not many or trace.oddities or trace.extensions or _dangerous(trace):
            traces.append(trace)
        opcodes += max(trace.opcodes, _LEAST_COST)
        at = max(trace.end, at)
        if is_fatal(trace):
            break
        memo = memo if many else {**memo, **after}
    return Stream(tuple(traces), at)


def is_torch_magic(trace: Trace) -> bool:
    """Whether the pickle is torch's magic number: ``torch.load`` reads what follows afresh."""
    return isinstance(trace.result, Const) and trace.result.value == TORCH_MAGIC


def _dangerous(trace: Trace) -> set[str]:
    """The names it asks for, on any way to follow it, that run or load code."""
    return {
        str(use.target)
        for way in (trace, *trace.alternates)
        for use in way.imports
        if policy.tier(use.target.module, use.target.name) is Tier.DANGEROUS
    }


def trial(source: Source, limits: Limits, member: str, start: int = 0) -> Trace | None:
    """The pickle at ``start`` if the bytes there are one, read on a short leash."""
    short = limits._replace(opcodes=min(limits.opcodes, _TRIAL_OPCODES))
    trace = machine.trace(source, start, short, member=member)
    return trace if credible(trace) else None


def hidden(source: Source, limits: Limits, member: str) -> Iterator[Trace]:
    """Pickles that name objects, anywhere in bytes where none belongs."""
    left, ordinary, dangerous = _TRIALS_OPCODES, 0, 0
    for start in islice(_candidates(source), _TRIALS):
        short = limits._replace(opcodes=min(limits.opcodes, left, _TRIAL_OPCODES))
        trace = machine.trace(source, start, short, member=member)
        left -= trace.opcodes
        if credible(trace) and names_objects(trace):
            grave = bool(_dangerous(trace))
            ordinary, dangerous = ordinary + (not grave), dangerous + grave
            if grave or ordinary <= _MOST_FOUND:
                yield trace
        if left <= 0 or dangerous >= _MOST_DANGEROUS:
            return


def _candidates(source: Source) -> Iterator[int]:
    """The start, and every place that looks like a pickle's first bytes."""
    yield 0
    at, last, lines = 0, 0, _LINE_ENDS
    tail = b""
    for chunk in source.chunks():
        data = tail + chunk
        ends = _LINE_END.finditer(data)
        # Three lazy searches, each in order, so the merged one is.
        marks = ((match.start() for match in found.finditer(data)) for found in _ANYWHERE)
        for place in merge(*marks, _imports(data, islice(ends, max(lines, 0)))):
            # What began in the last chunk's tail may have been seen there.
            if at - len(tail) + place > last:
                last = at - len(tail) + place
                yield last
        lines -= chunk.count(b"\n")
        at += len(chunk)
        tail = data[-BEGINNING:]


def _imports(data: bytes, ends: Iterator[re.Match[bytes]]) -> Iterator[int]:
    """Where on the lines that end so an import may begin."""
    for end in ends:
        before = max(end.start() - BEGINNING // 2, 0)
        line = _LINE.search(data[before : end.start()])
        if line is not None:
            # INST takes what lies above the last mark: a pickle with one begins there, or before.
            mark = data.rfind(b"(", before, before + line.start())
            if mark >= 0:
                yield mark
            for found in _IMPORTS.finditer(line[0]):
                yield before + line.start() + found.start()
