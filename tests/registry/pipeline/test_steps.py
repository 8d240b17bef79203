"""The steps, with the real engine on real files: nothing here is pretended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from registry import blobs, engine, reviews, serving, uploads
from registry.models import Artifact, Report, SmokeTest, Version
from registry.pipeline import tasks
from registry.states import ArtifactRole, Role, RunState, Stage
from scanner import samples
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("samples")
    samples.make(folder)
    yield folder
    assert not Path(samples.MARKER).exists(), "something ran the hostile sample's payload"


def handed_in(*paths: Path) -> Version:
    version = making.version()
    for path in paths:
        uploads.receive_path(path, version=version, by=version.created_by)
    uploads.submit(version, by=version.created_by)
    return version


def work_through(version: Version) -> Version:
    """Do every run that is due, as the workers would, until the version waits for a person."""
    for _ in range(6):
        run = version.runs.filter(state=RunState.WAITING, due_at__lte=timezone.now()).first()
        if run is None:
            break
        tasks.work(run.pk)
    version.refresh_from_db()
    return version


def converted(version: Version) -> Artifact:
    return version.artifacts.select_related("blob").get(role=ArtifactRole.CONVERTED)


def test_a_hostile_checkpoint_ends_in_quarantine_with_its_evidence(files: Path) -> None:
    version = work_through(handed_in(files / "hostile.ckpt"))
    assert (version.stage, version.verdict) == (Stage.QUARANTINED, "malicious")
    report = version.artifacts.get().blob.report()
    assert report is not None
    finding = report.data["safety"]["findings"][0]
    assert finding["severity"] == "malicious"
    assert "system" in finding["global"]
    assert "system" in report.data["safety"]["decompiled"]
    assert not version.runs.filter(state=RunState.WAITING).exists()
    move = version.events.filter(to=Stage.QUARANTINED).get()
    assert "hostile.ckpt" in move.note


def test_a_pickle_is_converted_and_only_its_conversion_can_be_served(files: Path) -> None:
    version = work_through(handed_in(files / "mini-embedding.pt"))
    assert (version.stage, version.kind, version.base) == (
        Stage.IN_REVIEW,
        "embedding",
        "sd1-mini",
    )
    artifact = converted(version)
    assert artifact.name == "mini-embedding.safetensors"
    assert (artifact.blob.format, artifact.verdict) == ("safetensors", "clean")
    reviews.publish(version, by=making.person(Role.REVIEWER))
    artifact.refresh_from_db()
    assert serving.refusal(converted(version)) is None
    original = version.artifacts.get(role=ArtifactRole.UPLOAD)
    assert serving.refusal(original) == "quarantined"
    assert not blobs.is_public(original.blob_id)


def test_what_is_safetensors_already_is_not_converted(files: Path) -> None:
    version = work_through(handed_in(files / "mini-lora.safetensors"))
    assert version.stage == Stage.IN_REVIEW
    assert not version.artifacts.filter(role=ArtifactRole.CONVERTED).exists()


def test_a_kind_that_cannot_be_drawn_says_so(files: Path) -> None:
    version = work_through(handed_in(files / "mini-lora.safetensors"))
    smoke = SmokeTest.objects.get(artifact__version=version)
    assert smoke.verdict == "skipped"
    assert smoke.data["reason"]
    assert not version.previews.exists()


@pytest.mark.slow
def test_a_checkpoint_gets_pictures_in_three_sizes(files: Path) -> None:
    version = work_through(handed_in(files / "mini.ckpt"))
    assert version.stage == Stage.IN_REVIEW
    smoke = SmokeTest.objects.get(artifact__version=version)
    # Untrained weights draw noise, which is a remark and no failure.
    assert smoke.verdict in {"passed", "warned"}
    preview = version.previews.all()[0]
    for blob in (preview.full, preview.medium, preview.small):
        with blobs.open_any(blob.digest) as file:
            head = file.read(12)
        assert (head[:4], head[8:12]) == (b"RIFF", b"WEBP")
    assert preview.width >= preview.height > 0
    assert preview.seed is not None


def test_the_same_bytes_are_inspected_once(files: Path) -> None:
    first = work_through(handed_in(files / "mini-lora.safetensors"))
    report = Report.objects.get()
    second = work_through(handed_in(files / "mini-lora.safetensors"))
    assert Report.objects.get() == report
    assert first.artifacts.get().blob == second.artifacts.get().blob
    assert second.stage == Stage.IN_REVIEW


def test_one_bad_file_quarantines_the_whole_version(files: Path) -> None:
    version = work_through(handed_in(files / "mini-lora.safetensors", files / "hostile.ckpt"))
    assert version.stage == Stage.QUARANTINED


def test_digests_are_computed_once_on_the_way_in(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    real = engine._call

    def listening(arguments: Sequence[str], *rest: Any, **more: Any) -> engine.Answer:
        if arguments[0] == "inspect":
            told.append(arguments[arguments.index("--hashes") + 1])
        return real(arguments, *rest, **more)

    monkeypatch.setattr(engine, "_call", listening)
    version = work_through(handed_in(files / "mini-lora.safetensors"))
    blob = version.artifacts.get().blob
    data = (files / "mini-lora.safetensors").read_bytes()
    assert f"sha256={hashlib.sha256(data).hexdigest()}" in told[0]
    header = int.from_bytes(data[:8], "little") + 8
    found = dict(blob.hashes.values_list("kind", "value"))
    assert found["autov3"] == hashlib.sha256(data[header:]).hexdigest()[:12]
    assert found.keys() <= {"sha256", "blake3", "crc32", "autov1", "autov2", "autov3"}
    assert {kind: found.get(kind) for kind in found} == {
        kind: value for kind, value in Report.objects.get().data["hashes"].items() if value
    }


def test_bytes_that_rotted_on_disk_are_noticed(files: Path) -> None:
    version = handed_in(files / "mini-lora.safetensors")
    artifact = version.artifacts.get()
    with blobs.workspace() as folder, blobs.local_copy(artifact.blob_id, folder) as path:
        damaged = bytearray(path.read_bytes())
        damaged[-1] ^= 1
        # A hard link: writing through it changes the stored blob itself.
        path.write_bytes(damaged)
    work_through(version)
    run = version.runs.get()
    assert (run.state, run.error_code) == (RunState.WAITING, "blob.damaged")


def test_a_step_that_runs_twice_changes_nothing(files: Path) -> None:
    version = work_through(handed_in(files / "mini-embedding.pt"))
    before = set(version.artifacts.values_list("pk", "blob_id"))
    reviews.reject(version, by=making.person(Role.REVIEWER), note="look again")
    reviews.retry(version, by=making.person(Role.REVIEWER))
    work_through(version)
    assert version.stage == Stage.IN_REVIEW
    assert set(version.artifacts.values_list("pk", "blob_id")) == before


def test_a_suspicious_pickle_goes_to_review_with_its_tensors_and_its_finding() -> None:
    data = suspicious_checkpoint()
    version = making.version()
    making.artifact(version, data=data, name="odd.ckpt")
    uploads.submit(version, by=version.created_by)
    work_through(version)
    assert (version.stage, version.verdict) == (Stage.IN_REVIEW, "suspicious")
    assert converted(version).verdict == "clean"
    report = version.artifacts.get(role=ArtifactRole.UPLOAD).blob.report()
    assert report is not None
    assert {finding["rule"] for finding in report.data["safety"]["findings"]} == {"unknown-import"}


def suspicious_checkpoint() -> bytes:
    """A torch file with one tensor and one name that no list knows, built from opcodes."""
    import io
    import zipfile

    pickle = (
        b"\x80\x02}(X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
        b"K\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
        b"X\x06\x00\x00\x00configcsome_trainer.settings\nSettings\nu."
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/data/0", b"\0\0\x80?")
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()
