"""SETITEM or BUILD on a tensor: writes through a view that may lie outside its storage."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.opcodes.trace import Mutation, Trace
from scanner.opcodes.values import Call
from scanner.policy import Role
from scanner.report import Finding, Severity
from scanner.rules.arguments import made_by
from scanner.rules.base import Rule

RULE = Rule(
    "tensor-mutation",
    Severity.MALICIOUS,
    "The file writes into a tensor while it is loaded (CVE-2026-24747).",
)


def check(trace: Trace) -> Iterator[Finding]:
    for mutation in trace.mutations:
        severity = _severity(mutation)
        if severity is not None:
            yield RULE.finding(
                trace,
                mutation.offset,
                mutation.opcode,
                target=mutation.target,
                argument=mutation.argument,
                severity=severity,
                detail="" if severity is Severity.MALICIOUS else "Here: into a value.",
            )


def _severity(mutation: Mutation) -> Severity | None:
    made = made_by(mutation.target)
    if made is None or not isinstance(mutation.target, Call) or made.role is Role.OBJECT:
        return None
    if made.makes != "tensor":
        return Severity.SUSPICIOUS
    # torch before 0.4 wrote Parameter(data) and then BUILD.
    old = made.role is Role.TYPE and mutation.opcode == "BUILD"
    return Severity.SUSPICIOUS if old else Severity.MALICIOUS
