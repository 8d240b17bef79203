"""What a load *would* run, as pseudo-Python for a person to read.

The pseudo-Python is fickling's: a second opinion and an illustration, never the verdict.
"""

from __future__ import annotations

import ast
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import lru_cache
from io import StringIO

from scanner.errors import FileError
from scanner.limits import MIB, Limits
from scanner.opcodes.trace import Trace
from scanner.reading import Reading

#: fickling's time and memory grow with the pickle.
_DECOMPILED_BYTES = 1 * MIB
_DECOMPILED_OPCODES = 20_000
_TEXT_CHARS = 20_000


def decompiled(reading: Reading, limits: Limits) -> str | None:
    """Pseudo-Python of the file's pickles, as far as fickling reads them; None if of none."""
    parts: list[str] = []
    room = _TEXT_CHARS
    for trace in reading.traces:
        text = pseudo_python(trace)
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


def too_long(trace: Trace) -> bool:
    """Whether the pickle is more than the decompiler is given."""
    return trace.end - trace.start > _DECOMPILED_BYTES or trace.opcodes > _DECOMPILED_OPCODES


def pseudo_python(trace: Trace) -> str | None:
    """One pickle, or None where fickling is missing or cannot read it."""
    if trace.source is None or too_long(trace):
        return None
    try:
        return _fickling(trace.source.read(trace.start, trace.end - trace.start))
    except FileError:
        return None


@lru_cache(maxsize=16)
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
