"""Reports as SARIF 2.1.0, which code scanning and other tools read.

Facts: the OASIS standard (docs.oasis-open.org/sarif/sarif/v2.1.0), and what GitHub's code scanning
asks of a file beyond it ("SARIF support for code scanning" in its documentation).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from scanner import __version__, policy
from scanner.cli.showing import Report, missing_layers, passed_over
from scanner.cli.words import plain
from scanner.formats.anomalies import ANOMALIES
from scanner.report import Json, Severity
from scanner.rules import RULES

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_LEVELS = {
    Severity.MALICIOUS: "error",
    Severity.UNREADABLE: "error",
    Severity.SUSPICIOUS: "warning",
    Severity.NOTE: "note",
}
#: GitHub's scale: critical above 9, high from 7, medium from 4. A note is no security result.
_SCORES = {Severity.MALICIOUS: "9.5", Severity.UNREADABLE: "7.0", Severity.SUSPICIOUS: "5.5"}
_MEANINGS = {
    Severity.MALICIOUS: "Loading such a file would run code, or reach memory that is not its own.",
    Severity.UNREADABLE: "The file was not read to its end, so nothing can be said for it.",
    Severity.SUSPICIOUS: "A person should look at the file before anybody loads it.",
    Severity.NOTE: "Worth knowing; it leaves the file clean.",
}
_EVIDENCE = ("opcode", "global", "argument", "window", "member_offset")
# Brackets make links in a SARIF message and braces are placeholders; a stranger's words are
# neither.
_ESCAPES = str.maketrans({"\\": "\\\\", "[": "\\[", "]": "\\]", "{": "{{", "}": "}}"})


class Sarif:
    """Gathers every file into one run, and prints it at the end."""

    def __init__(self) -> None:
        self._here = Path.cwd()
        self._rules = _rules()
        self._places = {str(rule["id"]): place for place, rule in enumerate(self._rules)}
        self._artifacts: list[Json] = []
        self._results: list[Json] = []
        self._notifications: list[Json] = []
        self._missing: dict[str, None] = {}

    def report(self, path: Path, report: Report) -> None:
        location = self._located(path)
        self._artifacts.append(_artifact(report, location))
        safety = report.get("safety")
        findings = safety.get("findings") if isinstance(safety, dict) else None
        seen: Counter[str] = Counter()
        for finding in findings if isinstance(findings, list) else ():
            if isinstance(finding, dict):
                self._results.append(self._result(finding, location, seen))
        self._missing.update(dict.fromkeys(missing_layers(report)))

    def problem(self, path: Path, code: str, text: str) -> None:
        print(f"weighhouse: {plain(text)}", file=sys.stderr)
        self._notifications.append(
            {
                "level": "error",
                "descriptor": {"id": code},
                "message": _message(plain(text)),
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": self._uri(path)}}}],
            }
        )

    def end(self, status: int, left_out: Mapping[str, int]) -> None:
        if left_out:
            self._notifications.append(
                {"level": "note", "message": _message(passed_over(left_out))}
            )
        if self._missing:
            text = f"The sandbox lacked {', '.join(self._missing)} while files were read."
            self._notifications.append({"level": "warning", "message": _message(text)})
        print(json.dumps(self._log(status)), flush=True)

    def _log(self, status: int) -> Json:
        driver: dict[str, Json] = {
            "name": "Weighhouse",
            "version": __version__,
            "semanticVersion": __version__,
            "rules": [*self._rules],
            "properties": {"policy": policy.VERSION},
        }
        invocation: dict[str, Json] = {
            # Files that are not clean are what was asked for; a file that nobody could open is not.
            "executionSuccessful": status in (0, 1),
            "exitCode": status,
            "workingDirectory": {"uri": f"{self._here.as_uri().rstrip('/')}/"},
            "toolExecutionNotifications": self._notifications,
        }
        return {
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {"driver": driver},
                    "invocations": [invocation],
                    "artifacts": self._artifacts,
                    "results": self._results,
                }
            ],
        }

    def _located(self, path: Path) -> dict[str, Json]:
        return {"uri": self._uri(path), "index": len(self._artifacts)}

    def _uri(self, path: Path) -> str:
        """Relative to the folder that we were started in, where the file lies beneath it."""
        whole = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links)
        if whole.is_relative_to(self._here):
            return quote(os.fsencode(whole.relative_to(self._here)))
        return "file://" + quote(os.fsencode(whole))

    def _result(
        self, finding: Report, location: dict[str, Json], seen: Counter[str]
    ) -> dict[str, Json]:
        rule, severity = str(finding["rule"]), Severity(str(finding["severity"]))
        place: dict[str, Json] = {
            "physicalLocation": {"artifactLocation": location, "region": _region(finding)}
        }
        if finding.get("member"):
            member = str(finding["member"])
            place["logicalLocations"] = [{"fullyQualifiedName": member, "kind": "archive-member"}]
        mark = _fingerprint(finding)
        seen[mark] += 1
        result: dict[str, Json] = {
            "ruleId": rule,
            "level": _LEVELS[severity],
            "message": _message(_told(finding)),
            "locations": [place],
            # The only one that GitHub reads; the number tells equal findings of a file apart.
            "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{seen[mark]}"},
            "properties": {
                "severity": severity.value,
                **{name: finding[name] for name in _EVIDENCE if finding.get(name) is not None},
            },
        }
        if rule in self._places:
            result["ruleIndex"] = self._places[rule]
        return result


def _told(finding: Report) -> str:
    """The sentence, and what it is about: viewers show little else."""
    named = [str(finding[name]) for name in ("global", "argument") if finding.get(name)]
    return f"{finding.get('message')} Here: {' '.join(named)}" if named else str(finding["message"])


def _message(text: str) -> dict[str, Json]:
    return {"text": text.translate(_ESCAPES)}


def _rules() -> list[dict[str, Json]]:
    pickles = {item.RULE.id: (item.RULE.severity, item.RULE.sentence) for item in RULES.values()}
    containers = {name: (item.severity, item.message) for name, item in ANOMALIES.items()}
    return [
        _rule(name, severity, sentence)
        for name, (severity, sentence) in sorted({**containers, **pickles}.items())
    ]


def _rule(name: str, severity: Severity, sentence: str) -> dict[str, Json]:
    sentence = sentence.rstrip(":") + ("." if sentence.endswith(":") else "")
    told = f"{sentence} {_MEANINGS[severity]}"
    properties: dict[str, Json] = {"tags": ["security", "model"]}
    if severity in _SCORES:
        properties["security-severity"] = _SCORES[severity]
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in name.split("-")),
        "shortDescription": {"text": sentence},
        "fullDescription": {"text": told},
        "help": {"text": f"{told} More: docs/rules.md, and python -m scanner explain FILE."},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": properties,
    }


def _artifact(report: Report, location: dict[str, Json]) -> dict[str, Json]:
    safety, hashes = report.get("safety"), report.get("hashes")
    properties: dict[str, Json] = {"format": report.get("format")}
    if isinstance(safety, dict):
        properties["verdict"] = safety.get("verdict")
    body: dict[str, Json] = {
        "location": location,
        "length": report.get("size"),
        "roles": ["analysisTarget"],
        "properties": properties,
    }
    if isinstance(hashes, dict) and hashes.get("sha256"):
        body["hashes"] = {"sha-256": hashes["sha256"]}
    return body


def _region(finding: Report) -> dict[str, Json]:
    """The opcode's bytes, where the file has them as such. GitHub shows nothing that names no
    line, and a file of bytes has one."""
    region: dict[str, Json] = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}
    offset = finding.get("offset")
    if isinstance(offset, int):
        region |= {"byteOffset": offset, "byteLength": _length(finding)}
    return region


def _length(finding: Report) -> int:
    """Bytes of the opcode: up to where the next one in the window begins. At least its first."""
    at, window = finding.get("member_offset"), finding.get("window")
    if isinstance(at, int) and isinstance(window, list):
        offsets = list(_offsets(window))
        if at in offsets[:-1]:
            return max(offsets[offsets.index(at) + 1] - at, 1)
    return 1


def _offsets(window: list[Json]) -> Iterator[int]:
    for line in window:
        number, _, _ = str(line).partition(":")
        if number.isdecimal():
            yield int(number)


def _fingerprint(finding: Report) -> str:
    """The same for the same finding, wherever in the file a later version has it."""
    named = ("rule", "member", "opcode", "global", "argument")
    body = json.dumps([finding.get(name) for name in named])
    return sha256(body.encode()).hexdigest()[:16]
