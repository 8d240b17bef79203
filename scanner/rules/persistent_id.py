"""A persistent id that is not torch's for a storage."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Const, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules.arguments import is_storage_id, module_class, row
from scanner.rules.base import Rule

RULE = Rule(
    "persistent-id",
    Severity.SUSPICIOUS,
    "The file refers to something outside itself in a form that torch does not write.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for persistent in trace.persistent:
        stored = is_storage_id(persistent.id) and _plain_key(persistent.id)
        if not stored and (module_class(persistent) is None or row(persistent) is None):
            yield RULE.finding(trace, trace.start, None, argument=persistent.id)


def _plain_key(value: Value) -> bool:
    """No path: the key names a member of the archive."""
    key = value.items[2] if isinstance(value, TupleValue) else value
    return isinstance(key, Const) and isinstance(key.value, str) and key.value.isalnum()
