"""A report for a person: the verdict, what the file is, and the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scanner.cli.words import Paint, folded, plain, size
from scanner.report import Json

Part = Mapping[str, Json]
_SHOWN = 20
_WINDOW = 8
_INSET = 13
_WORST_FIRST = ("malicious", "unreadable", "suspicious", "clean")


def text(report: Part, paint: Paint) -> str:
    """The report as printed in a terminal; the JSON has everything, this has what matters."""
    return "\n".join(_lines(report, paint))


def summary(counts: Mapping[str, int], paint: Paint) -> str:
    """How many files there were of each verdict, the worst first."""
    named = [name for name in _WORST_FIRST if counts.get(name)]
    named += [name for name in counts if name not in _WORST_FIRST]
    told = ", ".join(paint(f"{counts[name]} {name}", name) for name in named)
    return f"{sum(counts.values())} files: {told}"


def _lines(report: Part, paint: Paint) -> Iterator[str]:
    verdict = str(_part(report, "safety").get("verdict", ""))
    facts = f"{size(_number(report, 'size'))}, {report['format']}"
    name = paint(plain(str(report.get("path") or report["name"])), "bold")
    yield f"{name}  {facts}" + (f"  {paint(verdict, verdict)}" if verdict else "")
    yield from _identity(_part(report, "identity"))
    yield from _disputed(report)
    yield from _ledger(_part(report, "ledger"))
    yield from _safety(_part(report, "safety"), paint)
    yield from _health(report.get("health"), paint)
    yield from _hashes(_part(report, "hashes"), paint)


def _part(report: Part, name: str) -> Part:
    value = report.get(name)
    return value if isinstance(value, dict) else {}


def _items(value: Json) -> list[Part]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(part: Part, name: str) -> int:
    value = part.get(name)
    return value if isinstance(value, int) else 0


def _identity(identity: Part) -> Iterator[str]:
    if not identity:
        return
    named = ("kind", "base", "variant", "precision")
    words = [str(identity[name]) for name in named if identity.get(name)]
    candidates = identity.get("candidates")
    if isinstance(candidates, list) and candidates:
        words.append(f"possibly {', '.join(map(str, candidates))}")
    yield "  " + plain("not known what it is" if words == ["unknown"] else " · ".join(words))
    uses = identity.get("uses")
    if isinstance(uses, list) and uses:
        yield "    good for " + plain(", ".join(map(str, uses)))
    for name, component in _part(identity, "components").items():
        if not isinstance(component, dict) or component.get("state") == "absent":
            continue
        told = [f"{name}: {component.get('state')}", str(component.get("precision") or "")]
        told.append(size(_number(component, "bytes")))
        missing = component.get("missing")
        if isinstance(missing, list) and missing:
            told.append(f"{len(missing)} tensors missing ({missing[0]}, …)")
        yield "    " + plain(" ".join(word for word in told if word))


def _disputed(report: Part) -> Iterator[str]:
    """Where the name or the file's own words contradict what is in it."""
    said = _part(report, "identity").get("conflicts")
    for text in said if isinstance(said, list) else []:
        yield "  ! " + plain(str(text))
    for conflict in _items(_part(report, "naming").get("conflicts")):
        yield "  ! " + plain(str(conflict.get("message")))


def _ledger(ledger: Part) -> Iterator[str]:
    if ledger.get("rows"):
        yield "  " + plain(str(ledger.get("summary", "")))


def _safety(safety: Part, paint: Paint) -> Iterator[str]:
    findings = _items(safety.get("findings"))
    for finding in findings[:_SHOWN]:
        severity = str(finding.get("severity"))
        message = _folded(str(finding.get("message")), paint)
        yield f"  {paint(f'{severity:<10}', severity)} {message}"
        yield " " * _INSET + paint(_folded(_evidence(finding), paint), "dim")
        window = finding.get("window")
        if severity == "malicious" and isinstance(window, list):
            for line in window[:_WINDOW]:
                yield " " * _INSET + paint(plain(f"│ {line}"), "dim")
    if len(findings) > _SHOWN:
        yield f"  … {len(findings) - _SHOWN} more findings"


def _folded(text: str, paint: Paint) -> str:
    return "\n".join(folded(plain(text), _INSET, paint.width))


def _evidence(finding: Part) -> str:
    words = [str(finding.get("rule"))]
    if finding.get("member"):
        words.append(f"in {finding['member']}")
    if finding.get("offset") is not None:
        words.append(f"at {finding['offset']}")
    elif finding.get("member_offset") is not None:
        # Unpacked first, so that the byte has no place in the file itself.
        words.append(f"at {finding['member_offset']} of it")
    words += [str(finding[name]) for name in ("opcode", "global", "argument") if finding.get(name)]
    return " ".join(words)


def _health(health: Json, paint: Paint) -> Iterator[str]:
    colours = {"error": "malicious", "warning": "suspicious", "note": "note"}
    for issue in _items(health):
        severity = str(issue.get("severity"))
        told = _folded(f"{issue.get('issue')}: {issue.get('message')}", paint)
        yield f"  {paint(f'{severity:<10}', colours.get(severity, ''))} {told}"


def _hashes(hashes: Part, paint: Paint) -> Iterator[str]:
    for name, value in hashes.items():
        if value:
            yield "  " + paint(f"{name:<7} {value}", "dim")
