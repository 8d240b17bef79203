"""A scan report, as a reviewer reads it. The JSON is the engine's; every section may be absent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.models import Artifact, Report
from registry.portal.presenters import words
from registry.portal.presenters.words import Badge

_TITLE = re.compile(r"[-_]+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of disassembly; ``marked`` where the finding is."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    badge: Badge
    title: str
    rule: str
    message: str
    #: (label, value) pairs of where and what.
    facts: tuple[tuple[str, str], ...]
    window: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class GlobalView:
    name: str
    count: int
    badge: Badge


@dataclass(frozen=True, slots=True)
class HealthView:
    badge: Badge
    issue: str
    message: str
    tensors: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ReportView:
    """``health`` is None where the section was not made."""

    artifact: Artifact
    badge: Badge
    facts: str
    findings: tuple[FindingView, ...]
    notes: tuple[FindingView, ...]
    globals: tuple[GlobalView, ...]
    decompiled: str
    health: tuple[HealthView, ...] | None
    #: The file that this one was made from has the same health: it is not told twice.
    like_original: bool
    hashes: tuple[tuple[str, str], ...]
    sandbox: str


_SHOWN_TENSORS = 200
_HASHES = (
    ("sha256", "SHA-256"),
    ("autov2", "AutoV2"),
    ("autov3", "AutoV3"),
    ("autov1", "AutoV1"),
    ("blake3", "BLAKE3"),
    ("crc32", "CRC-32"),
)
_RANK = {"malicious": 0, "unreadable": 1, "suspicious": 2}
_TIER_RANK = {"dangerous": 0, "unknown": 1, "known": 2}


def view(artifact: Artifact, report: Report, original: Report | None = None) -> ReportView:
    """``original``: the report on the file that this one was made from."""
    data: Mapping[str, Any] = report.data
    safety = data.get("safety") or {}
    findings = safety.get("findings") or []
    grave = sorted(
        (f for f in findings if f.get("severity") in _RANK), key=lambda f: _RANK[f["severity"]]
    )
    return ReportView(
        artifact=artifact,
        badge=words.verdict(report.verdict),
        facts=_facts(data, safety, len(grave)),
        findings=tuple(_finding(f) for f in grave),
        notes=tuple(_finding(f) for f in findings if f.get("severity") not in _RANK),
        globals=_globals(safety.get("globals") or []),
        decompiled=words.visible(safety.get("decompiled") or ""),
        health=_health(data.get("health")),
        like_original=bool(data.get("health"))
        and original is not None
        and original.data.get("health") == data.get("health"),
        hashes=hashes(data.get("hashes") or {}),
        sandbox=", ".join(data.get("sandbox") or ()),
    )


def hashes(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((label, str(found[key])) for key, label in _HASHES if found.get(key))


def _facts(data: Mapping[str, Any], safety: Mapping[str, Any], count: int) -> str:
    parts = [words.counted(count, "finding") if count else "no findings"]
    if data.get("format"):
        parts.append(str(data["format"]))
    scanner = data.get("scanner") or {}
    if scanner.get("policy"):
        parts.append(f"policy {scanner['policy']}")
    if safety.get("opcodes"):
        parts.append(f"{safety['opcodes']:,} opcodes read")
    return ", ".join(parts)


def _finding(data: Mapping[str, Any]) -> FindingView:
    offsets = [
        ("member", _text(data.get("member"))),
        ("offset", _offset(data.get("offset"))),
        ("in member", _offset(data.get("member_offset"))),
        ("opcode", _text(data.get("opcode"))),
        ("global", _text(data.get("global"))),
        ("argument", _text(data.get("argument"))),
    ]
    rule = str(data.get("rule") or "")
    return FindingView(
        badge=words.SEVERITIES.get(str(data.get("severity")), words.SEVERITIES["note"]),
        title=_TITLE.sub(" ", rule).capitalize(),
        rule=rule,
        message=_text(data.get("message")),
        facts=tuple((label, value) for label, value in offsets if value),
        window=_window(data.get("window") or (), data.get("member_offset")),
    )


def _text(value: object) -> str:
    return words.visible(str(value)) if value not in (None, "") else ""


def _offset(value: object) -> str:
    return f"{value:,} (0x{value:x})" if isinstance(value, int) else ""


def _window(lines: Sequence[str], offset: object) -> tuple[Line, ...]:
    start = re.compile(rf"\s*>?\s*{offset}\s*:") if isinstance(offset, int) else None
    return tuple(
        Line(words.visible(line), bool(start and start.match(line))) for line in map(str, lines)
    )


def _globals(found: Sequence[Mapping[str, Any]]) -> tuple[GlobalView, ...]:
    ordered = sorted(
        found, key=lambda g: (_TIER_RANK.get(str(g.get("tier")), 1), str(g.get("name")))
    )
    return tuple(
        GlobalView(
            name=_text(g.get("name")),
            count=int(g.get("count") or 0),
            badge=words.TIERS.get(str(g.get("tier")), words.TIERS["unknown"]),
        )
        for g in ordered
    )


def _issue(word: str) -> str:
    return words.HEALTH_TITLES.get(word) or _TITLE.sub(" ", word).capitalize()


def _health(issues: Sequence[Mapping[str, Any]] | None) -> tuple[HealthView, ...] | None:
    if issues is None:
        return None
    return tuple(
        HealthView(
            badge=words.HEALTH.get(str(issue.get("severity")), words.HEALTH["note"]),
            issue=_issue(str(issue.get("issue") or "")),
            message=_text(issue.get("message")),
            tensors=tuple(_text(name) for name in (issue.get("tensors") or [])[:_SHOWN_TENSORS]),
            more=max(0, len(issue.get("tensors") or []) - _SHOWN_TENSORS),
        )
        for issue in issues
    )
