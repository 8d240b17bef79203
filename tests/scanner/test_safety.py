"""Verdicts of whole files, and the evidence in them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scanner import reading, safety
from scanner.limits import DEFAULT, Limits
from scanner.report import Safety, Severity, Tier, Verdict
from scanner.source import BytesSource
from tests.scanner.opcode_builder import (
    call,
    data,
    dict_of,
    name,
    op,
    ordered_dict,
    pickled,
    proto,
    text,
)  # fmt: skip

LOAD = name("torch.storage", "_load_from_bytes")


def judged(raw: bytes, limits: Limits = DEFAULT) -> Safety:
    return safety.judge(reading.read(BytesSource(raw, 0), limits), limits)


def test_plain_data_is_clean() -> None:
    result = judged(pickled(dict_of((text("prompt"), text("import os; os.system('rm -rf /')")))))
    assert result.verdict is Verdict.CLEAN
    assert result.findings == ()
    assert result.decompiled is None


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        (pickled(ordered_dict()), Verdict.CLEAN),
        (pickled(call(name("somebody", "thing"))), Verdict.SUSPICIOUS),
        (pickled(call(name("somebody", "thing")))[:-1], Verdict.UNREADABLE),
        (pickled(call(name("os", "system"), text("x"))), Verdict.MALICIOUS),
        (proto(2) + call(name("os", "system"), text("x")) + b"\xff\xff", Verdict.MALICIOUS),
        (pickled(op("NONE")) + pickled(call(name("os", "system"), text("x"))), Verdict.MALICIOUS),
    ],
)
def test_the_worst_finding_is_the_verdict(raw: bytes, verdict: Verdict) -> None:
    assert judged(raw).verdict is verdict


def test_a_finding_carries_its_evidence() -> None:
    raw = pickled(call(name("os", "system"), text("touch marker")))
    finding = judged(raw).findings[0]
    assert (finding.rule, finding.severity) == ("dangerous-call", Severity.MALICIOUS)
    assert finding.offset == finding.member_offset == raw.rindex(b"R")
    assert (finding.opcode, finding.global_) == ("REDUCE", "os.system")
    assert finding.argument == "('touch marker')"
    assert f"{finding.member_offset}: REDUCE" in finding.window


def test_every_name_is_listed_with_its_tier() -> None:
    raw = pickled(ordered_dict(), ordered_dict(), name("__builtin__", "eval"), name("a", "B"))
    listed = [(use.name, use.count, use.tier) for use in judged(raw).globals]
    assert listed == [
        ("__builtin__.eval", 1, Tier.DANGEROUS),
        ("a.B", 1, Tier.UNKNOWN),
        ("collections.OrderedDict", 2, Tier.KNOWN),
    ]


def test_a_file_inside_the_file_is_judged() -> None:
    inner = pickled(call(name("os", "system"), text("x")))
    result = judged(pickled(call(LOAD, data(inner)), protocol=3))
    assert result.verdict is Verdict.MALICIOUS
    worst = result.findings[0]
    assert worst.global_ == "os.system"
    # Where it lies in the outer file is not known byte for byte.
    assert worst.offset is None and worst.member is not None and "@" in worst.member
    assert "os.system" in [use.name for use in result.globals]


def test_harmless_bytes_for_a_loader_are_left_to_a_person() -> None:
    inner = pickled(dict_of((text("a"), text("b"))))
    assert judged(pickled(call(LOAD, data(inner)), protocol=3)).verdict is Verdict.SUSPICIOUS


def test_files_inside_files_end_at_a_limit() -> None:
    raw = pickled(call(name("os", "system"), text("x")))
    for _ in range(DEFAULT.container_depth + 2):
        raw = pickled(call(LOAD, data(raw)), protocol=3)
    result = judged(raw)
    assert result.verdict is Verdict.UNREADABLE


def test_findings_are_bounded_and_the_worst_are_kept() -> None:
    many = b"".join(name("somebody", f"thing{i}") + op("POP") for i in range(50))
    limits = Limits(findings=10)
    result = judged(pickled(many, name("os", "system")), limits)
    assert len(result.findings) == 10
    assert result.findings[0].global_ == "os.system"


def test_flagged_files_are_decompiled_for_the_reader() -> None:
    shown = judged(pickled(call(name("os", "system"), text("touch marker")))).decompiled
    assert shown is not None and "system('touch marker')" in shown


def test_a_clean_file_costs_no_decompiler() -> None:
    # And neither torch nor an unpickler, whatever the file.
    script = f"""
import sys, json
from scanner import reading, safety
from scanner.limits import DEFAULT
from scanner.source import BytesSource
source = BytesSource({pickled(ordered_dict())!r}, 0)
safety.judge(reading.read(source, DEFAULT), DEFAULT)
print(json.dumps([m for m in ("fickling", "torch", "pickle", "numpy") if m in sys.modules]))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []
