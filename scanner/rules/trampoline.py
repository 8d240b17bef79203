"""A known-good name that is made to call, or to take for a dtype, something that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Extension, Global, TupleValue
from scanner.report import Finding, Severity
from scanner.rules.arguments import Mismatch, asks_for, mismatch, row
from scanner.rules.base import Rule

RULE = Rule(
    "trampoline",
    Severity.MALICIOUS,
    "A known name is given something to call that is not on the known-good list.",
)
_DTYPE = re.compile(r"(?:b?float|u?int|q?u?int|bits|complex)\d+\w*")
_WORDS = frozenset({"rebuilder", "dtype", "constructor", "bitgen"})


def check(trace: Trace) -> Iterator[Finding]:
    for call in trace.calls:
        known = row(call.callee)
        if known is None or not asks_for(known.schema, _WORDS):
            continue
        found = mismatch(call, known)
        if found is not None and is_one(found):
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=call.callee,
                argument=TupleValue(call.args),
                detail=f"Argument {found.position + 1} is not: {found.word}.",
            )


def is_one(found: Mismatch) -> bool:
    """Whether a mismatch hands a callable to where the callee is chosen, or a class to where a
    dtype belongs (torch calls it)."""
    if isinstance(found.value, Global) and _may_be_dtype(found):
        return False
    words = _WORDS.intersection(found.word.split("|"))
    # numpy calls a bit generator's class, and takes an object as it is.
    called = (Global, Extension) if words == {"bitgen"} else (Global, Call, Extension)
    return bool(words) and isinstance(found.value, called)


def _may_be_dtype(found: Mismatch) -> bool:
    """A dtype of a newer torch than the list knows: unknown, and nothing that torch would call."""
    value = found.value
    return (
        found.word == "dtype"
        and isinstance(value, Global)
        and value.module == "torch"
        and _DTYPE.fullmatch(value.name) is not None
    )
