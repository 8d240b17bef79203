"""The verdict: every rule over every trace, with the evidence, and the files inside the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from scanner import explain, policy
from scanner.limits import Limits
from scanner.opcodes.disassembly import windows
from scanner.opcodes.trace import Trace
from scanner.reading import Reading, read
from scanner.report import Finding, GlobalUse, Safety, Severity, Tier, Verdict, worst
from scanner.rules import RULES
from scanner.rules.nested_load import RULE as NESTED_LOAD
from scanner.rules.nested_load import payloads
from scanner.source import BytesSource

_ORDER = (Severity.MALICIOUS, Severity.UNREADABLE, Severity.SUSPICIOUS, Severity.NOTE)
_TIERS = (Tier.DANGEROUS, Tier.UNKNOWN, Tier.KNOWN)
_FLAGGED = (Verdict.SUSPICIOUS, Verdict.MALICIOUS)


class _Case:
    """What has been gathered of one file and of the files inside it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.findings: list[Finding] = []
        self.names: Counter[str] = Counter()
        self.tiers: dict[str, Tier] = {}
        self.opcodes = 0
        #: Bytes of nested files that may still be looked at.
        self.budget = limits.pickle_bytes

    def take(self, reading: Reading, *, prefix: str = "", depth: int = 0) -> None:
        self.findings += (_within(prefix, finding) for finding in reading.findings)
        for trace in reading.traces:
            self.findings += (_within(prefix, finding) for finding in self._judged(trace))
            self._count(trace)
            self._nested(trace, prefix, depth)
            for other in trace.alternates:
                self._other(other, prefix, depth)

    def _other(self, trace: Trace, prefix: str, depth: int) -> None:
        """Another way to follow the same bytes. Honest pickles make no sense when followed so:
        only what is malicious counts."""
        for finding in self._judged(trace):
            if finding.severity is Severity.MALICIOUS:
                self.findings.append(_within(prefix, finding))
        self._count(trace)
        self._nested(trace, prefix, depth)

    def _judged(self, trace: Trace) -> list[Finding]:
        found = [
            finding
            for rule in RULES.values()
            for finding in islice(rule.check(trace), self.limits.findings)
        ]
        found = _first(found, self.limits)
        return _with_windows(trace, found, self.limits)

    def _count(self, trace: Trace) -> None:
        self.opcodes += trace.opcodes
        for use in trace.imports:
            name = str(use.target)
            if name not in self.names:
                if len(self.names) >= self.limits.globals:
                    continue
                self.tiers[name] = policy.tier(use.target.module, use.target.name)
            self.names[name] += 1

    def _nested(self, trace: Trace, prefix: str, depth: int) -> None:
        for call, data in payloads(trace):
            if depth >= self.limits.container_depth or len(data) > self.budget:
                text = "A file inside the file lies too deep or is too large to be read."
                self.findings.append(
                    NESTED_LOAD.finding(
                        trace,
                        call.offset,
                        call.opcode,
                        target=call.callee,
                        severity=Severity.UNREADABLE,
                        detail=text,
                    )
                )
                continue
            self.budget -= len(data)
            inner = f"{prefix}{trace.member}@{call.offset}"
            self.take(read(BytesSource(data), self.limits), prefix=f"{inner}!", depth=depth + 1)


def judge(reading: Reading, limits: Limits) -> Safety:
    """What is wrong with the file, worst first. The verdict is that of the worst finding."""
    case = _Case(limits)
    case.take(reading)
    # One run of bytes may be reached in two ways.
    findings = tuple(_first(list(dict.fromkeys(case.findings)), limits))
    verdict = worst(findings)
    return Safety(
        verdict=verdict,
        findings=findings,
        globals=tuple(_globals(case)),
        decompiled=explain.decompiled(reading, limits) if verdict in _FLAGGED else None,
        opcodes=case.opcodes,
    )


def _first(findings: list[Finding], limits: Limits) -> list[Finding]:
    """The worst findings, as many as a report holds; in the order of the file among equals."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity))[: limits.findings]


def _globals(case: _Case) -> Iterator[GlobalUse]:
    for name in sorted(case.names, key=lambda name: (_TIERS.index(case.tiers[name]), name)):
        yield GlobalUse(name, case.names[name], case.tiers[name])


def _with_windows(trace: Trace, findings: list[Finding], limits: Limits) -> list[Finding]:
    offsets = {f.member_offset for f in findings if f.member_offset is not None}
    if not offsets or trace.source is None:
        return findings
    seen = windows(trace.source, trace.start, offsets, limits)
    return [
        finding._replace(window=seen.get(finding.member_offset, ()))
        if finding.member_offset is not None
        else finding
        for finding in findings
    ]


def _within(prefix: str, finding: Finding) -> Finding:
    """A finding of a file inside the file: its offsets count from where that one begins."""
    if not prefix:
        return finding
    return finding._replace(member=f"{prefix}{finding.member or ''}".rstrip("!"), offset=None)
