"""``policy``: every name that is known good, judged or dangerous, with its reason."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from scanner import policy
from scanner.cli.command import CLEAN
from scanner.policy.dangerous import DANGEROUS, JUDGED
from scanner.policy.known_good import KNOWN_GOOD

Row = dict[str, str]


def run(arguments: argparse.Namespace) -> int:
    if arguments.version:
        print(json.dumps({"policy": policy.VERSION}) if arguments.json else policy.VERSION)
        return CLEAN
    if not arguments.json:
        print(f"policy {policy.VERSION}; every other name is unknown, which is suspicious")
    for row in _rows():
        if arguments.json:
            print(json.dumps(row))
        else:
            tail = f" [{row['reference']}]" if row.get("reference") else ""
            print(f"{row['tier']:<10} {row['name']:<56} {row['role']:<10} {row['reason']}{tail}")
    return CLEAN


def _rows() -> Iterator[Row]:
    for known in KNOWN_GOOD:
        name = f"{known.module}.{known.name}"
        yield _row("known", name, known.role.value, known.reason)
    for judged in JUDGED:
        yield _row("judged", f"{judged.module}.{judged.name}", judged.rule, judged.reason)
    for group in DANGEROUS:
        for module in group.modules:
            yield _row("dangerous", f"{module}.*", "module", group.reason, group.reference)
        for entry in group.names:
            name = entry.replace(":", ".")
            yield _row("dangerous", name, "name", group.reason, group.reference)


def _row(tier: str, name: str, role: str, reason: str, reference: str = "") -> Row:
    return {"tier": tier, "name": name, "role": role, "reason": reason, "reference": reference}
