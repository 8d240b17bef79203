"""Bytes in the file that a load would read as another file."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global, TupleValue
from scanner.report import Finding, Severity
from scanner.rules import judged
from scanner.rules.arguments import literal_bytes
from scanner.rules.base import Rule

RULE = Rule(
    "nested-load",
    Severity.SUSPICIOUS,
    "Loading the file would load a second file that lies inside it; that one is judged as well.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for call, callee in judged.calls(trace, RULE.id):
        whole = len(call.args) == 1 and literal_bytes(call.args[0]) is not None
        yield RULE.finding(
            trace,
            call.offset,
            call.opcode,
            target=callee,
            argument=TupleValue(call.args),
            detail="" if whole else "Its bytes are made while loading.",
            severity=Severity.SUSPICIOUS if whole else Severity.MALICIOUS,
        )


def payloads(trace: Trace) -> Iterator[tuple[Call, bytes]]:
    """Every run of bytes that the pickle hands to a loader."""
    for call in trace.calls:
        callee = call.callee
        if isinstance(callee, Global) and policy.is_loader(callee.module, callee.name):
            for value in call.args:
                data = literal_bytes(value)
                if data is not None:
                    yield call, data
