"""The calls that the policy leaves to one rule, to be judged by their arguments."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Global


def calls(trace: Trace, rule: str) -> Iterator[tuple[Call, Global]]:
    """Every call of a name that is left to ``rule``, with that name."""
    for call in trace.calls:
        callee = call.callee
        if not isinstance(callee, Global):
            continue
        judged = policy.judged(callee.module, callee.name)
        if judged is not None and judged.rule == rule:
            yield call, callee
