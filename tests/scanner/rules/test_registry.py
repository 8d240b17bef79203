"""Every rule is registered, tested and documented."""

from __future__ import annotations

from pathlib import Path

from scanner.formats.anomalies import ANOMALIES
from scanner.rules import RULES

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
_PLUMBING = {"__init__", "arguments", "base", "judged", "preview"}


def test_every_rule_file_is_registered() -> None:
    files = {path.stem for path in (ROOT / "scanner" / "rules").glob("*.py")}
    assert set(RULES) == files - _PLUMBING


def test_every_rule_has_hostile_samples() -> None:
    for rule in RULES:
        tests = HERE / f"test_{rule}.py"
        assert tests.exists(), f"{rule} has no test file"
        assert f'found("{rule}"' in tests.read_text(), f"{tests.name} runs another rule"


def test_every_rule_is_named_after_its_file() -> None:
    assert {rule.RULE.id.replace("-", "_") for rule in RULES.values()} == set(RULES)


def test_every_rule_is_documented() -> None:
    rows = (ROOT / "docs" / "rules.md").read_text()
    for rule in RULES.values():
        assert f"| `{rule.RULE.id}` | {rule.RULE.severity.value}" in rows, rule.RULE.id


def test_every_anomaly_of_a_container_is_documented() -> None:
    rows = (ROOT / "docs" / "rules.md").read_text()
    for rule, anomaly in ANOMALIES.items():
        assert f"| `{rule}` | {anomaly.severity.value}" in rows, rule
