from __future__ import annotations

from typing import Any

import pytest

from registry import reports
from registry.models import Artifact
from registry.portal.presenters import report as presenter
from registry.portal.presenters.report import ReportView
from tests.registry import making

pytestmark = pytest.mark.django_db

FINDING = {
    "rule": "dangerous-call",
    "severity": "malicious",
    "message": "os.system is called while the file is loaded.",
    "member": "archive/data.pkl",
    "offset": 8031,
    "member_offset": 7967,
    "opcode": "REDUCE",
    "global": "os.system",
    "argument": "('touch \u202emarker',)",
    "window": ["7955: BINUNICODE 'os'", "7967: REDUCE", "17967: POP"],
}


def shown(**sections: Any) -> ReportView:
    file = making.artifact()
    data = {
        "schema": 1,
        "format": "torch-zip",
        "hashes": {"sha256": file.blob_id, "autov3": None},
        "safety": {"verdict": "malicious", "findings": [], "globals": []},
        "scanner": {"policy": "p7"},
    } | sections
    stored = reports.store(Artifact.objects.get(pk=file.pk).blob, data)
    return presenter.view(file, stored)


def safety(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"verdict": "malicious", "findings": list(findings), "globals": [], **more}


def test_a_finding_shows_all_its_evidence() -> None:
    finding = shown(safety=safety(FINDING)).findings[0]

    assert finding.title == "Dangerous call"
    assert dict(finding.facts) == {
        "member": "archive/data.pkl",
        "offset": "8,031 (0x1f5f)",
        "in member": "7,967 (0x1f1f)",
        "opcode": "REDUCE",
        "global": "os.system",
        "argument": "('touch \\u202emarker',)",
    }


def test_the_line_of_the_finding_is_marked_in_the_disassembly() -> None:
    window = shown(safety=safety(FINDING)).findings[0].window

    assert [line.marked for line in window] == [False, True, False]


def test_the_gravest_finding_comes_first_and_notes_stand_apart() -> None:
    view = shown(
        safety=safety(
            {"rule": "a-note", "severity": "note", "message": "x"},
            {"rule": "odd", "severity": "suspicious", "message": "x"},
            FINDING,
        )
    )

    assert [finding.rule for finding in view.findings] == ["dangerous-call", "odd"]
    assert [finding.rule for finding in view.notes] == ["a-note"]
    assert view.facts.startswith("2 findings")


def test_dangerous_names_come_before_known_ones() -> None:
    names = [
        {"name": "collections.OrderedDict", "count": 3, "tier": "known"},
        {"name": "posix.system", "count": 1, "tier": "dangerous"},
    ]

    view = shown(safety=safety(globals=names))

    assert [item.name for item in view.globals] == ["posix.system", "collections.OrderedDict"]


def test_a_report_of_only_one_section_can_be_shown() -> None:
    view = shown()

    assert view.health is None
    assert view.findings == ()


def test_long_lists_of_tensors_are_cut_and_counted() -> None:
    issue = {
        "issue": "nan",
        "severity": "error",
        "message": "x",
        "tensors": [f"t{i}" for i in range(250)],
    }

    health = shown(health=[issue]).health

    assert health is not None
    assert (len(health[0].tensors), health[0].more) == (200, 50)


def test_absent_hashes_are_left_out() -> None:
    assert [label for label, _ in shown().hashes] == ["SHA-256"]


def test_what_a_conversion_kept_is_not_told_twice() -> None:
    leftovers = {"issue": "ema", "severity": "note", "message": "x", "tensors": ["t"]}
    file = shown(health=[leftovers]).artifact
    original = reports.of_files([file])[file.blob_id]
    for health, alike in (([leftovers], True), ([], False), ([leftovers, leftovers], False)):
        file = making.artifact()
        stored = reports.store(file.blob, original.data | {"health": health})
        assert presenter.view(file, stored, original).like_original is alike
        assert not presenter.view(file, stored).like_original
