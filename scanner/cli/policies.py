"""``policy``: every name that is known good, judged or dangerous, with its reason."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from scanner import policy
from scanner.cli.command import CLEAN
from scanner.cli.words import Paint, folded, plain
from scanner.policy.dangerous import DANGEROUS, JUDGED
from scanner.policy.dangerous_libraries import CALLED, DANGEROUS_LIBRARIES
from scanner.policy.known_good import KNOWN_GOOD

Row = dict[str, str]

_COLOURS = {"known": "clean", "judged": "note", "dangerous": "malicious", "unknown": "suspicious"}
_INSET = 13


def run(arguments: argparse.Namespace) -> int:
    if arguments.version:
        print(json.dumps({"policy": policy.VERSION}) if arguments.json else policy.VERSION)
        return CLEAN
    rows = list(_rows())
    shown = [_asked(name) for name in arguments.names] if arguments.names else rows
    shown = [row for row in shown if _wanted(row, arguments.tier, arguments.search)]
    if arguments.json:
        for row in shown:
            print(json.dumps(row))
        return CLEAN
    paint = Paint(sys.stdout)
    for row in shown:
        for line in _lines(row, paint):
            print(line)
    if not arguments.names:
        print(f"{len(shown)} of {len(rows)} rows of policy {policy.VERSION}; every other name is")
        print(
            "unknown, and so suspicious. A row that ends in .* is for a module and what is in it."
        )
    return CLEAN


def _wanted(row: Row, tier: str | None, search: str | None) -> bool:
    if tier and row["tier"] != tier:
        return False
    words = (row["name"], row["reason"], row["reference"])
    return not search or any(search.lower() in word.lower() for word in words)


def _lines(row: Row, paint: Paint) -> Iterator[str]:
    tier = paint(f"{row['tier']:<10}", _COLOURS[row["tier"]])
    tail = f" [{row['reference']}]" if row["reference"] else ""
    role = f"{row['role']}: " if row["role"] else ""
    if paint.width is None:
        # One row a line, for grep.
        yield f"{tier} {plain(row['name']):<56} {role}{row['reason']}{tail}"
        return
    yield f"{tier} {paint(plain(row['name']), 'bold')}"
    inset = " " * _INSET
    lines = folded(f"{role}{row['reason']}{tail}", _INSET, paint.width)
    yield inset + paint("\n".join(lines), "dim")


def _asked(name: str) -> Row:
    """What the policy says of any name: "module.name", or "module:name.attribute"."""
    module, colon, attribute = name.partition(":")
    if not colon:
        module, _, attribute = name.rpartition(".")
    known, judged = policy.known(module, attribute), policy.judged(module, attribute)
    if known is not None:
        return _row("known", name, known.role.value, known.reason)
    if judged is not None:
        return _row("judged", name, judged.rule, judged.reason)
    danger = policy.danger(module, attribute)
    if danger is not None:
        return _row("dangerous", name, "", danger.reason, danger.reference)
    called = policy.danger_of_call(module, attribute)
    if called is not None:
        return _row("judged", name, "dangerous-call", called.reason, called.reference)
    return _row("unknown", name, "", "on no list: a person has to look")


def _rows() -> Iterator[Row]:
    for known in KNOWN_GOOD:
        name = f"{known.module}.{known.name}"
        yield _row("known", name, known.role.value, known.reason)
    for judged in JUDGED:
        yield _row("judged", f"{judged.module}.{judged.name}", judged.rule, judged.reason)
    for group in CALLED:
        for entry in group.names:
            yield _row("judged", entry.replace(":", "."), "dangerous-call", group.reason)
    for group in (*DANGEROUS, *DANGEROUS_LIBRARIES):
        for module in group.modules:
            yield _row("dangerous", f"{module}.*", "module", group.reason, group.reference)
        for module in group.functions:
            yield _row("dangerous", f"{module}.*", "functions", group.reason, group.reference)
        for entry in group.names:
            name = entry.replace(":", ".")
            yield _row("dangerous", name, "name", group.reason, group.reference)


def _row(tier: str, name: str, role: str, reason: str, reference: str = "") -> Row:
    return {"tier": tier, "name": name, "role": role, "reason": reason, "reference": reference}
