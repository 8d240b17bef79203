"""A name that no table lists."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.machine import COMPUTED
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Global
from scanner.report import Finding, Severity, Tier
from scanner.rules.base import Rule

RULE = Rule(
    "unknown-import",
    Severity.SUSPICIOUS,
    "The file names something that is not on the known-good list.",
)


def check(trace: Trace) -> Iterator[Finding]:
    seen: set[Global] = set()
    for use in trace.imports:
        target = use.target
        if target in seen or COMPUTED in (target.module, target.name):
            continue
        seen.add(target)
        if policy.tier(target.module, target.name) is Tier.UNKNOWN:
            yield RULE.finding(trace, use.offset, use.opcode, target=target)
