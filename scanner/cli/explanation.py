"""What loading a file would run, line by line: for each pickle the calls and the opcodes.

Everything here runs in the jailed child; the lines are painted outside.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from scanner import explain, reading
from scanner.cli import illustration
from scanner.limits import Limits
from scanner.opcodes.disassembly import Line as Opcode
from scanner.opcodes.disassembly import disassemble
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call
from scanner.reading import Reading
from scanner.report import Finding, Format, Safety
from scanner.rules.base import spelt
from scanner.rules.nested_load import payloads
from scanner.rules.preview import preview
from scanner.source import BytesSource

#: Shown of one file where nobody asks for all of it.
OPCODES = 400
PICKLES = 20
CALLS = 20
_PYTHON_LINES = 60
_PYTHON_CHARS = 400
_AROUND = 4
_DEEPEST = 10

_CLOSES = frozenset(
    {"TUPLE", "LIST", "DICT", "SETITEMS", "APPENDS", "ADDITEMS", "FROZENSET", "OBJ", "INST"}
    | {"POP_MARK"}
)
_NO_PICKLE = "It holds no pickle, so there is nothing that unpickling it would run."
_NOTHING: dict[Format, str] = {
    Format.SAFETENSORS: "A safetensors file is names, shapes and numbers: a load runs nothing.",
    Format.GGUF: "A GGUF file is settings and numbers: a load runs nothing. A chat template is run "
    "by what fills it in.",
    Format.NUMPY: "The arrays hold numbers and no objects: a load runs nothing.",
}


class Line(NamedTuple):
    """``kind`` is a severity or one of head, python, opcode and dim; "" is plain text."""

    kind: str
    text: str


class Explanation:
    """One file. ``whole`` shows everything, however much that is."""

    def __init__(self, safety: Safety, limits: Limits, *, whole: bool) -> None:
        self._limits = limits
        self._whole = whole
        self._opcodes = limits.opcodes if whole else OPCODES
        self._pickles = 0
        self._left_out = 0
        self._inner_bytes = limits.pickle_bytes
        self._findings: dict[str, dict[int, Finding]] = {}
        for finding in safety.findings:
            if finding.member_offset is not None:
                flagged = self._findings.setdefault(finding.member or "", {})
                # They come worst first.
                flagged.setdefault(finding.member_offset, finding)

    def lines(self, read: Reading) -> Iterator[Line]:
        if not read.source.size:
            yield from (Line("", ""), Line("", "The file is empty: there is nothing to load."))
        elif not read.traces:
            yield from (Line("", ""), Line("", _NOTHING.get(read.format, _NO_PICKLE)))
        yield from self._file(read, "", 0)
        if self._left_out:
            yield Line("", "")
            yield Line("dim", f"… {_count(self._left_out, 'pickle')} more; --all shows them")
        if read.format is Format.TORCHSCRIPT:
            yield Line("", "")
            text = "The archive also carries TorchScript code, which torch.jit.load compiles."
            yield Line("", f"{text} It is not shown here.")

    def _file(self, read: Reading, prefix: str, depth: int) -> Iterator[Line]:
        for trace in read.traces:
            member = f"{prefix}{trace.member}".rstrip("!")
            marked = self._findings.get(member, {})
            flagged = {at: found for at, found in marked.items() if trace.start <= at < trace.end}
            self._pickles += 1
            if self._whole or flagged or self._pickles <= PICKLES:
                yield from self._pickle(trace, member, flagged)
            else:
                self._left_out += 1
            yield from self._nested(trace, prefix, depth)

    def _nested(self, trace: Trace, prefix: str, depth: int) -> Iterator[Line]:
        """Bytes that the pickle hands to a loader are a file of their own."""
        for call, data in payloads(trace):
            place = f"{prefix}{trace.member}@{call.offset}"
            if depth >= self._limits.container_depth or len(data) > self._inner_bytes:
                yield from _head(f"{_shown(place)}: a file inside the file, too deep or too large")
                continue
            self._inner_bytes -= len(data)
            inner = reading.read(BytesSource(data), self._limits)
            given = f"{len(data):,} bytes that {spelt(call.callee)} loads"
            yield from _head(f"inside {_shown(place)}: {given}, {inner.format.value}")
            if not inner.traces:
                yield Line("", f"  {_NOTHING.get(inner.format, _NO_PICKLE)}")
            yield from self._file(inner, f"{place}!", depth + 1)

    def _pickle(self, trace: Trace, member: str, flagged: dict[int, Finding]) -> Iterator[Line]:
        size = f"bytes {trace.start:,} to {trace.end:,}, {_count(trace.opcodes, 'opcode')}"
        yield from _head(f"{_shown(member)}: {size}")
        yield from self._python(trace)
        for other in trace.alternates:
            if _names(other) - _names(trace):
                yield Line("suspicious", "  Another reader would follow the same bytes so:")
                yield from self._calls(other)
        yield Line("", "  Opcodes:")
        yield from self._disassembled(trace, flagged)

    def _python(self, trace: Trace) -> Iterator[Line]:
        text = explain.pseudo_python(trace)
        if text is None:
            yield Line("", f"  {_without(trace)} What it calls and names:")
            yield from self._calls(trace)
            return
        yield Line("", "  What a load would run, as fickling decompiles it:")
        lines = text.splitlines()
        shown = lines if self._whole else lines[:_PYTHON_LINES]
        for line in shown:
            long = len(line) > _PYTHON_CHARS and not self._whole
            yield Line("python", f"    {line[:_PYTHON_CHARS]}…" if long else f"    {line}")
        if len(shown) < len(lines):
            yield Line(
                "dim", f"    … {_count(len(lines) - len(shown), 'line')} more; --all shows them"
            )

    def _calls(self, trace: Trace) -> Iterator[Line]:
        """Each callee once, with its first arguments: our own reading of the pickle."""
        first: dict[str, Call] = {}
        counts: Counter[str] = Counter()
        for call in trace.calls:
            name = spelt(call.callee)
            first.setdefault(name, call)
            counts[name] += 1
        named = [str(use.target) for use in trace.imports]
        uncalled = [name for name in dict.fromkeys(named) if name not in counts]
        texts = [_called(call, counts[name]) for name, call in first.items()] + uncalled
        if not texts:
            yield Line("python", "    nothing: plain data")
        most = len(texts) if self._whole else CALLS
        for text in texts[:most]:
            yield Line("python", f"    {text}")
        if len(texts) > most:
            yield Line("dim", f"    … {_count(len(texts) - most, 'name')} more; --all shows them")

    def _disassembled(self, trace: Trace, flagged: dict[int, Finding]) -> Iterator[Line]:
        """The opcodes as far as there is room, then only what was flagged and what is around it."""
        if trace.source is None:
            yield Line("dim", "    not at hand")
            return
        width = len(f"{trace.end:,}")
        held: deque[Line] = deque(maxlen=_AROUND)
        missing, skipped, after, seen, depth = len(flagged), 0, 0, 0, 0
        for opcode in disassemble(trace.source, trace.start, self._limits):
            seen += 1
            finding = flagged.get(opcode.offset)
            depth -= opcode.name in _CLOSES and depth > 0
            line = _opcode(opcode, width, depth, finding)
            depth += opcode.name == "MARK"
            missing -= finding is not None
            if finding is not None and self._opcodes <= 0 and not after:
                yield from _skipped(skipped - len(held))
                yield from held
            if self._opcodes > 0 or finding is not None or after:
                yield line
                held.clear()
                self._opcodes, skipped = self._opcodes - 1, 0
                after = _AROUND if finding is not None else max(after - 1, 0)
                continue
            held.append(line)
            skipped += 1
            if not missing:
                break
        yield from _skipped(skipped + max(trace.opcodes - seen, 0) if skipped else 0)


def _head(text: str) -> Iterator[Line]:
    yield Line("", "")
    yield Line("head", text)


def _shown(member: str) -> str:
    return member or "the file"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _without(trace: Trace) -> str:
    """Why there is no pseudo-Python."""
    if explain.too_long(trace):
        return "Too long to decompile."
    if not illustration.prepared():
        return "Without fickling, which decompiles, there is no pseudo-Python."
    return "fickling cannot decompile this pickle."


def _names(trace: Trace) -> set[str]:
    return {str(use.target) for use in trace.imports} | {spelt(call.callee) for call in trace.calls}


def _called(call: Call, count: int) -> str:
    return preview(call) + (f"  ×{count:,}" if count > 1 else "")


def _opcode(opcode: Opcode, width: int, depth: int, finding: Finding | None) -> Line:
    inset = "  " * min(depth, _DEEPEST)
    text = f"    {opcode.offset:>{width}}  {inset}{opcode.name} {opcode.argument}".rstrip()
    if finding is None:
        return Line("opcode", text)
    return Line(finding.severity.value, f"{text}   ◀ {finding.rule}")


def _skipped(number: int) -> Iterator[Line]:
    if number > 0:
        yield Line("dim", f"    … {_count(number, 'opcode')} left out; --all shows them")
