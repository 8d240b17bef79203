"""Verdicts do not depend on what is installed beside the scanner. Other Pythons are compared by
hand: ``python -m tests.parity``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.parity import BLOCKED, Environment, differing, inspected
from tests.scanner.formats.files import EVIL, saved
from tests.scanner.opcode_builder import call, data, name, pickled, text

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpora" / "scanner"
HERE, ALONE = (Environment(sys.executable, alone) for alone in (False, True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    system = call(name("os", "system"), text("touch marker"))
    for title, raw in {
        "good.pt": saved({"w": torch.ones(2, 3), "n": [1, "two", 3.0]}),
        "legacy.pt": saved({"w": torch.ones(2)}, legacy=True),
        "evil.ckpt": EVIL,
        "numpy.pkl": pickled(call(name("numpy", "load"), text("x"))),
        "inner.pkl": pickled(
            call(name("torch.storage", "_load_from_bytes"), data(pickled(system)))
        ),
        "unknown.pkl": pickled(call(name("torch.nowhere", "Unheard"), text("x"))),
        "empty.safetensors": (2).to_bytes(8, "little") + b"{}",
        "none.ckpt": b"",
    }.items():
        (tmp_path / title).write_bytes(raw)
    return tmp_path


def test_verdicts_are_the_same_without_torch_numpy_and_fickling(folder: Path) -> None:
    one, other = inspected(HERE, [folder]), inspected(ALONE, [folder])
    assert {report["verdict"] for report in one} >= {"clean", "suspicious", "malicious"}
    assert list(differing(one, other)) == []


@pytest.mark.skipif(
    not CORPUS.exists(), reason="needs the corpora beside the project, which are no part of it"
)
def test_verdicts_on_the_corpus_are_the_same_without_torch_numpy_and_fickling() -> None:
    folders = [CORPUS / "own", CORPUS / "own_benign"]
    one, other = inspected(HERE, folders), inspected(ALONE, folders)
    assert len(one) > 100
    assert list(differing(one, other)) == []


@pytest.mark.parametrize("package", ["torch", "numpy", "fickling", "blake3"])
def test_what_is_blocked_cannot_be_imported(package: str) -> None:
    """Else the comparison would be one of the same with the same."""
    from tests import parity

    assert package in BLOCKED
    script = parity._ALONE.replace("from scanner.cli import main", f"import {package}")
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"ModuleNotFoundError: no module named '{package}'" in result.stderr


def test_a_section_that_needs_a_package_says_which(folder: Path) -> None:
    from tests import parity

    result = subprocess.run(
        [sys.executable, "-c", parity._ALONE, "inspect", "--only", "hashes", folder / "good.pt"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr == (
        "weighhouse: this needs the package blake3, which is not installed [engine.missing]\n"
    )
