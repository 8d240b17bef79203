from __future__ import annotations

import json

import pytest

from scanner import policy
from scanner.cli import main


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["policy", *arguments]) == 0
    return capsys.readouterr().out


def test_a_tier_and_a_text_narrow_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        json.loads(line)
        for line in shown(
            capsys, "--json", "--tier", "dangerous", "--search", "CVE-2024"
        ).splitlines()
    ]
    assert rows
    assert {row["tier"] for row in rows} == {"dangerous"}
    assert all("cve-2024" in json.dumps(row).lower() for row in rows)
    assert len(rows) < len(shown(capsys, "--json", "--tier", "dangerous").splitlines())


def test_the_listing_says_how_much_of_which_policy_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    every = len(shown(capsys, "--json").splitlines())
    listed = shown(capsys, "--search", "no such text anywhere")
    assert listed.startswith(f"0 of {every} rows of policy {policy.VERSION}")


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("os.system", "dangerous"),
        ("torch:serialization.os.system", "dangerous"),
        ("collections.OrderedDict", "known"),
        ("builtins.getattr", "judged"),
        ("nobody.knows", "unknown"),
    ],
)
def test_a_name_can_be_asked_for(capsys: pytest.CaptureFixture[str], name: str, tier: str) -> None:
    (row,) = [json.loads(line) for line in shown(capsys, "--json", name).splitlines()]
    assert (row["name"], row["tier"]) == (name, tier)
    assert row["reason"]


def test_a_name_reaches_the_terminal_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in shown(capsys, "os.\x1b[2J")
