"""What a rule is, and how its findings carry their evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global, Value
from scanner.report import Finding, Severity
from scanner.rules.preview import preview


class Rule(NamedTuple):
    """``sentence`` is plain English for a reviewer; ``id`` is stable."""

    id: str
    severity: Severity
    sentence: str

    def finding(
        self,
        trace: Trace,
        offset: int,
        opcode: str | None,
        *,
        target: Value | None = None,
        argument: Value | None = None,
        detail: str = "",
        severity: Severity | None = None,
    ) -> Finding:
        """``offset`` is relative to the member; the window is added by ``scanner.safety``."""
        base = trace.file_offset
        return Finding(
            rule=self.id,
            severity=severity or self.severity,
            message=f"{self.sentence} {detail}".strip(),
            member=trace.member,
            offset=None if base is None else base + offset,
            member_offset=offset,
            opcode=opcode,
            global_=spelt(target) if target is not None else None,
            argument=preview(argument) if argument is not None else None,
        )


class RuleModule(Protocol):
    RULE: Rule

    @staticmethod
    def check(trace: Trace) -> Iterator[Finding]: ...


def spelt(value: Value) -> str:
    """A name as the file spells it; a preview of anything else."""
    if isinstance(value, Global):
        return str(value)
    if isinstance(value, Call) and isinstance(value.callee, Global):
        return f"{value.callee}(…)"
    return preview(value)
