"""What a load *would* run, for a person to read: pseudo-Python and opcodes.

The pseudo-Python is fickling's: a second opinion and an illustration, never the verdict.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import islice

from scanner.errors import FileError
from scanner.limits import MIB, Limits
from scanner.opcodes.disassembly import disassemble
from scanner.opcodes.trace import Trace
from scanner.reading import Reading

#: fickling's time and memory grow with the pickle.
_DECOMPILED_BYTES = 1 * MIB
_DECOMPILED_OPCODES = 20_000
_TEXT_CHARS = 20_000
_LISTED = 100_000


def decompiled(reading: Reading, limits: Limits) -> str | None:
    """Pseudo-Python of the file's pickles, as far as fickling reads them; None if of none."""
    parts: list[str] = []
    room = _TEXT_CHARS
    for trace in reading.traces:
        text = _pseudo_python(trace, limits)
        if text is None:
            continue
        parts.append(f"# {trace.member} at {trace.start}\n{text}")
        room -= len(parts[-1])
        if room <= 0:
            break
    shown = "\n".join(parts)
    if len(shown) > _TEXT_CHARS:
        shown = shown[:_TEXT_CHARS] + "\n# … (shortened)"
    return shown or None


def explain(reading: Reading, limits: Limits) -> str:
    """Every pickle of the file: pseudo-Python where there is some, the opcodes always."""
    return "\n".join(_explained(reading, limits))


def _explained(reading: Reading, limits: Limits) -> Iterator[str]:
    yield f"format: {reading.format.value}"
    if not reading.traces:
        yield "The file holds no pickle: loading it as such runs nothing."
    for trace in reading.traces:
        yield ""
        yield f"== {trace.member or 'pickle'}, bytes {trace.start} to {trace.end} =="
        text = _pseudo_python(trace, limits)
        yield "-- what a load would run" if text else "-- fickling cannot decompile this pickle"
        if text:
            yield text[:_TEXT_CHARS]
        yield "-- opcodes"
        if trace.source is not None:
            lines = disassemble(trace.source, trace.start, limits)
            yield from (str(line) for line in islice(lines, _LISTED))
            if trace.opcodes > _LISTED:
                yield f"… {trace.opcodes - _LISTED} more opcodes"


def _pseudo_python(trace: Trace, limits: Limits) -> str | None:
    size = trace.end - trace.start
    if trace.source is None or size > _DECOMPILED_BYTES or trace.opcodes > _DECOMPILED_OPCODES:
        return None
    try:
        data = trace.source.read(trace.start, size)
        return _fickling(data)
    except FileError:
        return None


def _fickling(data: bytes) -> str | None:
    try:
        # Here, for it takes long to import and is needed for flagged files alone. The package's
        # own hooks are not installed by this; nothing of the file is run.
        from fickling.fickle import Pickled

        with warnings.catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            return ast.unparse(Pickled.load(data).ast)
    except (Exception, RecursionError, MemoryError):
        # A stranger's bytes in a stranger's parser: whatever goes wrong, there is no picture.
        return None
