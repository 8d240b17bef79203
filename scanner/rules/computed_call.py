"""A call of something that is itself the result of a call, or that is no callable."""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Const, Extension, Global, Persistent, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules.arguments import module_class
from scanner.rules.base import Rule

RULE = Rule(
    "computed-call",
    Severity.MALICIOUS,
    "The file calls an object that another call made, not a name.",
)
_CONSTRUCTORS = frozenset({"_unpickle", "_make", "_reconstruct", "_rebuild", "_from_pickle"})


def check(trace: Trace) -> Iterator[Finding]:
    for call in trace.calls:
        severity = _severity(call.callee)
        if severity is not None:
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=call.callee,
                argument=TupleValue(call.args),
                severity=severity,
            )


def _no_class(target: Global) -> bool:
    """Where the legacy format has a module's class, a name that other rules judge as a callee."""
    module, name = policy.spelt(target.module, target.name)
    return (
        policy.judged(module, name) is not None
        or policy.danger_of_call(module, name) is not None
        or (module, name) == ("builtins", "type")
    )


def _constructor(callee: Call) -> bool:
    """``getattr(SomeClass, "_unpickle")``: protocols before 4 spell a class's own way to restore
    itself so. Later ones spell it as a name, which is judged like this."""
    if not (
        isinstance(callee.callee, Global)
        and policy.spelt(callee.callee.module, callee.callee.name) == ("builtins", "getattr")
        and len(callee.args) == 2
    ):
        return False
    owner, attribute = callee.args
    return (
        isinstance(owner, Global)
        and isinstance(attribute, Const)
        and attribute.value in _CONSTRUCTORS
        and policy.danger(owner.module, f"{owner.name}.{attribute.value}") is None
    )


def _severity(callee: Value) -> Severity | None:
    if isinstance(callee, Global):
        return None
    legacy = module_class(callee) if isinstance(callee, Persistent) else None
    if legacy is not None:
        return Severity.MALICIOUS if _no_class(legacy) else None
    if isinstance(callee, Call) and _constructor(callee):
        return Severity.SUSPICIOUS
    # What an extension code or a persistent id stands for is known to the loading process alone;
    # a constant cannot be called at all.
    if isinstance(callee, (Extension, Persistent, Const)):
        return Severity.SUSPICIOUS
    return Severity.MALICIOUS if isinstance(callee, Call) else Severity.SUSPICIOUS
