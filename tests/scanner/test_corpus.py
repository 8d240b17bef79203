"""The labelled samples: nothing hostile is clean, nothing genuine is malicious.

The files carry marker commands; they are read as bytes and never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner import reading, safety
from scanner.limits import DEFAULT
from scanner.report import Safety, Verdict
from scanner.source import FileSource

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpora" / "scanner"
LABELS = CORPUS / "labels.tsv"

pytestmark = pytest.mark.skipif(
    not LABELS.exists(), reason="needs the corpora beside the project, which are no part of it"
)


def _rows() -> Iterator[tuple[str, str]]:
    if LABELS.exists():
        for line in LABELS.read_text().splitlines()[1:]:
            file, label, _ = line.split("\t")
            yield file, label


def _labelled(label: str, folder: str = "") -> list[str]:
    return [file for file, found in _rows() if found == label and file.startswith(folder)]


def judged(file: str) -> Safety:
    fd = os.open(CORPUS / file, os.O_RDONLY)
    try:
        return safety.judge(reading.read(FileSource(fd), DEFAULT), DEFAULT)
    finally:
        os.close(fd)


@pytest.mark.parametrize("file", _labelled("malicious"))
def test_hostile_files_are_malicious(file: str) -> None:
    assert judged(file).verdict is Verdict.MALICIOUS


@pytest.mark.parametrize("file", _labelled("benign"))
def test_genuine_files_are_clean(file: str) -> None:
    result = judged(file)
    assert result.verdict is Verdict.CLEAN, result.findings


@pytest.mark.parametrize("file", _labelled("suspicious"))
def test_doubtful_files_are_not_clean(file: str) -> None:
    assert judged(file).verdict is not Verdict.CLEAN


@pytest.mark.parametrize(
    "file", [*_labelled("suspicious", "own_benign"), *_labelled("suspicious", "realworld_globals")]
)
def test_genuine_files_with_unlisted_names_are_not_called_malicious(file: str) -> None:
    result = judged(file)
    assert result.verdict is Verdict.SUSPICIOUS, result.findings
