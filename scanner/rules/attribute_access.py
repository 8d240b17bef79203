"""``getattr`` in a pickle. Genuine YOLO files hold bound methods so; attacks hold chains.

numpy's ``_ufunc_reconstruct(module, name)`` is another such: sklearn files hold ``numpy.log1p`` so.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner import policy
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Const, Global, TupleValue, Value
from scanner.report import Finding, Severity
from scanner.rules import judged
from scanner.rules.arguments import holds
from scanner.rules.base import Rule

RULE = Rule(
    "attribute-access",
    Severity.MALICIOUS,
    "The file reaches an attribute by getattr that leads out of ordinary objects.",
)


def check(trace: Trace) -> Iterator[Finding]:
    for call, callee in judged.calls(trace, RULE.id):
        if _leads_out(call):
            yield RULE.finding(
                trace,
                call.offset,
                call.opcode,
                target=callee,
                argument=TupleValue(call.args),
            )


def _leads_out(call: Call) -> bool:
    if call.spread or len(call.args) < 2:
        return True
    target, name = call.args[:2]
    if isinstance(call.callee, Global) and call.callee.name == "_ufunc_reconstruct":
        return _imports(target, name)
    if not isinstance(name, Const) or not isinstance(name.value, str):
        return True
    if isinstance(target, Global):
        # As if the file had spelt it as one dotted name.
        return policy.danger(target.module, f"{target.name}.{name.value}") is not None
    return policy.danger("", f"X.{name.value}") is not None or holds(target, _is_getattr)


def _imports(module: Value, name: Value) -> bool:
    """numpy imports the module and takes the name, which is a ufunc's in a genuine file."""
    if not all(isinstance(part, Const) and isinstance(part.value, str) for part in (module, name)):
        return True
    assert isinstance(module, Const) and isinstance(name, Const)
    return policy.danger(str(module.value), str(name.value)) is not None


def _is_getattr(value: Value) -> bool:
    return isinstance(value, Global) and policy.judged(value.module, value.name) is not None
