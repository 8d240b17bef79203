"""What is kept of a file's tensors and values, apart from its report."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import blobs, contents, engine, reports
from registry.models import Artifact, Fingerprint, TensorList
from registry.pipeline import steps
from scanner import samples
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    samples.make(folder)
    return folder / "mini.safetensors"


def inspected(path: Path) -> Artifact:
    artifact = making.artifact(data=path.read_bytes(), name=path.name)
    steps.report_on(artifact.blob, lambda *_: None)
    return artifact


def test_the_list_and_the_fingerprints_come_with_the_inspection(checkpoint: Path) -> None:
    blob = inspected(checkpoint).blob
    rows = contents.tensors(blob)
    report = blob.report()
    assert report is not None
    assert len(rows) == TensorList.objects.get(blob=blob).total > 100
    assert {row.component for row in rows} >= {"unet", "vae", "text_encoder"}
    assert {print_.component for print_ in blob.fingerprints.all()} == {
        "unet", "text_encoder", "vae_encoder", "vae_decoder",
    }  # fmt: skip
    for print_ in blob.fingerprints.all():
        values = contents.values(print_)
        assert len(values.sizes) == len(values.digests) == len(values.samples) // 8 > 0
        assert len(print_.digest) == 64


def test_the_report_stays_as_small_as_it_was(checkpoint: Path) -> None:
    report = inspected(checkpoint).blob.report()
    assert report is not None
    assert not {"tensors", "fingerprints", "naming", "path", "name"} & report.data.keys()
    assert {"safety", "identity", "health", "ledger", "hashes"} <= report.data.keys()


def test_what_was_inspected_before_there_were_lists_is_read_again_when_it_comes_again(
    checkpoint: Path,
) -> None:
    blob = inspected(checkpoint).blob
    TensorList.objects.all().delete()
    assert not contents.are_told(blob)
    steps.report_on(blob, lambda *_: None)
    assert contents.are_told(blob)


def test_a_file_that_was_listed_is_not_read_twice(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = inspected(checkpoint).blob
    monkeypatch.setattr(engine, "inspect", lambda *_: pytest.fail("inspected twice"))
    steps.report_on(blob, lambda *_: None)


def test_a_report_without_the_sections_leaves_them_as_they_are(checkpoint: Path) -> None:
    blob = inspected(checkpoint).blob
    report = blob.report()
    assert report is not None
    before = set(Fingerprint.objects.values_list("pk", flat=True))
    reports.store(blob, report.data)
    assert set(Fingerprint.objects.values_list("pk", flat=True)) == before
    assert contents.are_told(blob)


def test_the_same_fingerprints_are_not_compared_again(checkpoint: Path) -> None:
    artifact = inspected(checkpoint)
    Fingerprint.objects.update(compared=True)
    with blobs.workspace() as folder, blobs.local_copy(artifact.blob_id, folder) as path:
        answer = engine.inspect(path, lambda *_: None)
    reports.store(artifact.blob, answer.data)
    assert not Fingerprint.objects.filter(compared=False).exists()
