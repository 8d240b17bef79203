"""Sections: only those asked for are made, and what fails in one is never clean."""

from __future__ import annotations

import pytest
import torch

from scanner import health, inspection, reading, safety
from scanner.limits import DEFAULT
from scanner.report import EXTRA, SECTIONS, Report, Verdict
from scanner.source import BytesSource
from tests.scanner.formats.files import saved

DATA = saved({"w": torch.ones(64, 64)})


class Watched(BytesSource):
    """Remembers which bytes were read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, file_offset=0)
        self.read_bytes = 0

    def _pread(self, offset: int, length: int) -> bytes:
        self.read_bytes += length
        return super()._pread(offset, length)


def _inspect(*only: str) -> Report:
    return inspection.inspect(BytesSource(DATA, file_offset=0), DEFAULT, only=only)


@pytest.mark.parametrize("section", [*SECTIONS, *EXTRA])
def test_a_section_that_was_not_asked_for_is_none(section: str) -> None:
    report = _inspect(section)
    every = (*SECTIONS, *EXTRA)
    assert [name for name in every if getattr(report, name) is not None] == [section]


def test_what_is_extra_has_to_be_asked_for() -> None:
    report = inspection.inspect(BytesSource(DATA, file_offset=0), DEFAULT)
    assert report.health is not None
    assert (report.fingerprints, report.tensors) == (None, None)


def test_health_and_fingerprints_read_the_weights_once() -> None:
    data = saved({"w": torch.ones(1024, 1024)})
    taken = []
    for only in (("health",), ("health", "fingerprints", "tensors")):
        source = Watched(data)
        inspection.inspect(source, DEFAULT, only=only)
        taken.append(source.read_bytes)
    assert taken[0] == taken[1] > len(data) // 2


def test_safety_does_not_read_the_tensors() -> None:
    data = saved({"w": torch.ones(1024, 1024)})
    source = Watched(data)
    report = inspection.inspect(source, DEFAULT, only=("safety",))
    assert report.safety is not None and report.safety.verdict is Verdict.CLEAN
    # The search for the zip's end record takes up to 64 KiB of it.
    assert source.read_bytes < 100_000 < len(data)


def test_an_error_of_ours_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(health, "check", broken)
    report = _inspect("safety", "health")
    assert report.safety is not None
    assert report.safety.verdict is Verdict.UNREADABLE
    assert [finding.rule for finding in report.safety.findings] == ["engine-error"]


@pytest.mark.parametrize("module", [reading, safety])
def test_a_file_that_could_not_be_judged_is_never_clean(
    module: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(module, "read" if module is reading else "judge", broken)
    report = _inspect("safety")
    assert report.safety is not None
    assert report.safety.verdict is Verdict.UNREADABLE


def test_the_pass_tells_how_far_it_is_when_the_digests_are_done() -> None:
    steps: list[tuple[str, int, int]] = []
    data = saved({"w": torch.rand(2048, 2048)})
    source = BytesSource(data, file_offset=0)
    inspection.inspect(source, DEFAULT, only=("hashes", "health"),
                       progress=lambda *step: steps.append(step))  # fmt: skip
    names = [name for name, _, _ in steps]
    assert names == sorted(names, key=["hashes", "health"].index)
    assert ("hashes", len(data), len(data)) in steps
    last = [step for step in steps if step[0] == "health"]
    assert not last or last[-1][1] == last[-1][2]
