"""Further files of a version, made by the real engine from real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from registry import blobs, engine, reviews, serving, uploads, variants
from registry.errors import EngineError, UserError
from registry.management.commands import sweep as sweep_command
from registry.models import Artifact, Notice, User, Variant, Version
from registry.pipeline import leases, places, tasks
from registry.pipeline import variants as pipeline
from registry.recipes import Recipe
from registry.states import ArtifactRole, NoticeKind, Role, RunState, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db

FP16 = Recipe(precision="fp16")


def lora(path: Path, dtype: torch.dtype = torch.float32) -> Path:
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    torch.manual_seed(1)
    tensors = {
        f"{name}.lora_down.weight": torch.randn(4, 768).to(dtype),
        f"{name}.lora_up.weight": torch.randn(320, 4).to(dtype),
        f"{name}.alpha": torch.tensor(4.0).to(dtype),
    }
    save_file(tensors, path)
    return path


def hypernetwork(path: Path) -> Path:
    torch.manual_seed(2)

    def net(width: int) -> dict[str, torch.Tensor]:
        return {
            "linear.0.weight": torch.randn(2 * width, width),
            "linear.0.bias": torch.randn(2 * width),
            "linear.1.weight": torch.randn(width, 2 * width),
            "linear.1.bias": torch.randn(width),
        }

    facts: dict[object, object] = {
        "name": "h",
        "layer_structure": [1, 2, 1],
        "activation_func": "relu",
        "step": 7,
    }
    torch.save({320: (net(320), net(320)), **facts}, path)
    return path


def in_review(*paths: Path) -> Version:
    """Inspected and converted by the engine; nothing is drawn."""
    version = making.version()
    for path in paths:
        uploads.receive_path(path, version=version, by=version.created_by)
    uploads.submit(version, by=version.created_by)
    for _ in range(2):
        tasks.work(version.runs.get(state=RunState.WAITING).pk)
    version.runs.filter(state=RunState.WAITING).delete()
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    version.refresh_from_db()
    return version


def made(version: Version, recipe: Recipe, **how: Any) -> Variant:
    row = variants.ask(version, recipe, by=version.created_by, **how)
    tasks.make_variant(row.pk)
    row.refresh_from_db()
    return row


def stored(artifact: Artifact, folder: Path) -> Path:
    path = folder / artifact.name
    with blobs.open_any(artifact.blob_id) as file:
        path.write_bytes(file.read())
    return path


def the_file(row: Variant) -> Artifact:
    assert row.state == RunState.DONE, (row.error_code, row.error_detail)
    assert row.artifact is not None
    return row.artifact


def test_a_variant_is_a_file_with_a_report_and_a_note_of_its_own(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    upload = version.artifacts.get()
    file = the_file(made(version, FP16))
    assert (file.role, file.verdict, file.name) == (
        ArtifactRole.VARIANT, "clean", "style-fp16.safetensors",
    )  # fmt: skip
    assert file.blob_id != upload.blob_id
    report = file.blob.report()
    assert report is not None
    assert report.data["identity"]["precision"] == "fp16"
    path = stored(file, tmp_path)
    with safe_open(path, "pt") as opened:
        noted = opened.metadata()
    assert noted["weighhouse.source_sha256"] == upload.blob_id
    assert noted["weighhouse.made"] == "--precision fp16"
    assert noted["weighhouse.converter"]
    assert noted["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert noted["modelspec.title"].endswith("(fp16)")
    for name, tensor in load_file(tmp_path / "style.safetensors").items():
        assert torch.equal(load_file(path)[name], tensor.half())
    assert version.events.filter(kind="variant").count() == 2


def test_an_ordinary_conversion_names_its_source(tmp_path: Path) -> None:
    torch.save(load_file(lora(tmp_path / "x.safetensors")), tmp_path / "style.pt")
    version = in_review(tmp_path / "style.pt")
    converted = version.artifacts.get(role=ArtifactRole.CONVERTED)
    with safe_open(stored(converted, tmp_path), "pt") as opened:
        noted = opened.metadata()
    upload = version.artifacts.get(role=ArtifactRole.UPLOAD)
    assert noted["weighhouse.source_sha256"] == upload.blob_id


def test_asking_twice_makes_one_file(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    first = made(version, FP16)
    again = variants.ask(version, Recipe(precision="fp16", weights="raw"), by=version.created_by)
    assert (again.pk, again.artifact_id) == (first.pk, first.artifact_id)


def test_the_same_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    first = the_file(made(version, FP16)).blob_id
    variants.remove(version.variants.get(), by=version.created_by)
    assert version.artifacts.count() == 1
    assert the_file(made(version, FP16)).blob_id == first


def test_before_publication_it_is_not_served_and_with_it_it_is(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    file = the_file(made(version, FP16))
    assert serving.refusal(file) == "not_published"
    reviews.publish(version, by=making.person(Role.REVIEWER))
    assert serving.authorise(making.person(), file.pk) == file
    reviews.withdraw(version, by=making.person(Role.REVIEWER), note="no")
    with pytest.raises(UserError, match="not_published"):
        serving.authorise(version.created_by, file.pk)
    assert not blobs.is_public(file.blob_id)


def test_one_of_a_published_version_is_served_at_once(
    tmp_path: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    reviews.publish(version, by=making.person(Role.REVIEWER))
    with django_capture_on_commit_callbacks(execute=True):
        file = the_file(made(version, FP16))
    assert serving.authorise(making.person(), file.pk) == file


def test_a_version_that_was_withdrawn_meanwhile_gets_nothing(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    reviews.publish(version, by=making.person(Role.REVIEWER))
    row = variants.ask(version, FP16, by=version.created_by)
    reviews.withdraw(version, by=version.created_by, note="no")
    tasks.make_variant(row.pk)
    row.refresh_from_db()
    assert (row.state, row.artifact) == (RunState.CANCELLED, None)
    assert version.artifacts.count() == 1


def test_pruning_a_lora_is_refused_at_once() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    with pytest.raises(UserError, match=r"variant\.changes_nothing"):
        variants.ask(version, Recipe(prune=True), by=version.created_by)
    assert not version.variants.exists()


def test_what_turns_out_to_change_nothing_is_refused_for_good(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors", torch.float16))
    row = made(version, FP16)
    assert (row.state, row.error_code, row.attempts) == (
        RunState.FAILED, "variant.changes_nothing", 1,
    )  # fmt: skip
    assert version.artifacts.count() == 1
    told = Notice.objects.get(kind=NoticeKind.NOT_MADE)
    assert told.person == version.created_by
    assert "The variant “fp16”" in told.text
    assert "like that already" in told.note


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        (Recipe(), "variant.nothing_asked"),
        (Recipe(weights="raw"), "variant.nothing_asked"),
        (Recipe(torch=True), "variant.torch_kind"),
    ],
)
def test_what_makes_no_sense_is_refused(recipe: Recipe, code: str) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    with pytest.raises(UserError, match=code.replace(".", r"\.")):
        variants.ask(version, recipe, by=version.created_by)


@pytest.mark.parametrize(
    "stage", [Stage.DRAFT, Stage.RECEIVED, Stage.QUARANTINED, Stage.REJECTED, Stage.WITHDRAWN]
)
def test_only_settled_versions_get_more_files(stage: Stage) -> None:
    version = making.in_stage(stage)
    assert not variants.may_ask(version, version.created_by)
    with pytest.raises(UserError, match=r"stage\.forbids"):
        variants.ask(version, FP16, by=version.created_by)


def test_strangers_may_not_ask_or_take_away() -> None:
    version = making.in_stage(Stage.PUBLISHED)
    row = variants.ask(version, FP16, by=making.person(Role.REVIEWER))
    for use in (
        lambda by: variants.ask(version, Recipe(precision="bf16"), by=by),
        lambda by: variants.remove(row, by=by),
    ):
        with pytest.raises(UserError, match=r"access\.denied"):
            use(making.person())
    assert not variants.may_ask(version, making.person())


def test_a_reviewer_who_asks_may_still_decide() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviewer: User = making.person(Role.REVIEWER)
    making.person(Role.REVIEWER)
    variants.ask(version, FP16, by=reviewer)
    assert reviews.may_decide(version, reviewer)


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MOST", 1)
    version = making.in_stage(Stage.IN_REVIEW)
    variants.ask(version, FP16, by=version.created_by)
    with pytest.raises(UserError, match=r"variant\.too_many"):
        variants.ask(version, Recipe(precision="bf16"), by=version.created_by)


def test_a_vae_comes_from_what_is_published_or_of_the_same_version() -> None:
    checkpoint = making.in_stage(Stage.IN_REVIEW)
    blob = checkpoint.artifacts.get().blob
    report = blob.report()
    assert report is not None
    report.data["identity"]["kind"] = "checkpoint"
    report.save()
    draft = making.in_stage(Stage.IN_REVIEW).artifacts.get()
    with pytest.raises(UserError, match="not_found"):
        variants.ask(checkpoint, Recipe(), by=checkpoint.created_by, vae=draft.pk)
    with pytest.raises(UserError, match=r"variant\.vae"):
        variants.ask(checkpoint, Recipe(), by=making.person(Role.REVIEWER), vae=draft.pk)
    served = making.in_stage(Stage.PUBLISHED).artifacts.get()
    row = variants.ask(checkpoint, Recipe(), by=checkpoint.created_by, vae=served.pk)
    assert (row.vae, row.options["vae"]) == (served, served.blob_id)


def test_three_failures_end_it_and_asking_again_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EngineError("engine.killed", "signal 9")

    version = making.in_stage(Stage.PUBLISHED)
    row = variants.ask(version, FP16, by=version.created_by)
    monkeypatch.setattr(engine, "convert", broken)
    for _ in range(3):
        Variant.objects.update(due_at=row.created_at)
        tasks.make_variant(row.pk)
    row.refresh_from_db()
    assert (row.state, row.error_code, row.attempts) == (RunState.FAILED, "engine.killed", 3)
    version.refresh_from_db()
    # What is served stays served.
    assert (version.stage, version.problem) == (Stage.PUBLISHED, {})
    assert version.events.filter(kind="held").count() == 1
    assert Notice.objects.filter(kind=NoticeKind.NOT_MADE, person=version.created_by).count() == 1
    again = variants.ask(version, FP16, by=version.created_by)
    assert (again.pk, again.state, again.attempts) == (row.pk, RunState.WAITING, 0)


def test_its_percentage_only_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    beat = leases.Hold.beat

    def listen(hold: Any, percent: int | None = None, activity: str = "") -> None:
        told.extend([] if percent is None else [percent])
        beat(hold, percent, activity)

    version = in_review(lora(tmp_path / "style.safetensors"))
    monkeypatch.setattr(leases.Hold, "beat", listen)
    the_file(made(version, FP16))
    assert told == sorted(told)
    assert told[-1] > 60


def test_a_worker_that_lost_its_lease_adds_nothing(tmp_path: Path) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    row = variants.ask(version, FP16, by=version.created_by)
    real = pipeline._finish

    def late(hold: Any, result: Any) -> None:
        Variant.objects.filter(pk=row.pk).update(fence=hold.fence + 1)
        real(hold, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_finish", late)
        tasks.make_variant(row.pk)
    assert version.artifacts.count() == 1


def test_the_sweeper_gives_back_what_a_dead_worker_held_and_rings_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks.make_variant, "apply_async", lambda args, **_: rung.append(args[0]))
    version = making.in_stage(Stage.PUBLISHED)
    row = variants.ask(version, FP16, by=version.created_by)
    Variant.objects.filter(pk=row.pk).update(
        state=RunState.RUNNING, attempts=1, lease_until=row.created_at
    )
    monkeypatch.setattr(sweep_command, "_ask_policy", lambda said: said)
    # The test's own transaction lives in it.
    monkeypatch.setattr(sweep_command, "close_old_connections", lambda: None)
    sweep_command.Command().handle(once=True, every=1, own_host=False)
    row.refresh_from_db()
    assert (row.state, row.error_code) == (RunState.WAITING, "worker.lost")
    Variant.objects.update(due_at=row.created_at)
    assert pipeline.sweep() == {"variants_lost": 0, "variants_rung": 1}
    assert rung == [row.pk]


def test_a_hypernetwork_gets_a_torch_file_of_our_own_that_is_served(
    tmp_path: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    source = hypernetwork(tmp_path / "neon.pt")
    version = in_review(source)
    assert {a.role for a in version.artifacts.all()} == {
        ArtifactRole.UPLOAD, ArtifactRole.CONVERTED, ArtifactRole.REBUILT,
    }  # fmt: skip
    file = version.artifacts.get(role=ArtifactRole.REBUILT)
    assert (file.name, file.blob.format, file.verdict) == (
        "neon-rebuilt.pt", "torch-zip", "clean",
    )  # fmt: skip
    assert serving.download_name(file) == "neon.pt"
    tree = torch.load(stored(file, tmp_path), weights_only=True)
    for width, pair in torch.load(source, weights_only=True).items():
        if isinstance(width, int):
            for net, again in zip(pair, tree[width], strict=True):
                assert all(torch.equal(net[key], again[key]) for key in net)
    with django_capture_on_commit_callbacks(execute=True):
        reviews.publish(version, by=making.person(Role.REVIEWER))
    assert serving.authorise(making.person(), file.pk) == file
    # The one that came is not, whoever wrote it.
    assert serving.refusal(version.artifacts.get(role=ArtifactRole.UPLOAD)) == "quarantined"
    # A variant of it has a name of its own, with the prompt's word in it.
    assert the_file(made(version, FP16)).name == "neon-fp16.safetensors"
    # It is what asking would make.
    row = variants.ask(version, Recipe(torch=True), by=version.created_by)
    assert (row.state, row.artifact) == (RunState.DONE, file)
    assert places.settle([file.blob_id]) == 0
    assert file.blob_id in serving.published_digests()
    assert blobs.is_public(file.blob_id)


def test_our_own_bytes_uploaded_by_somebody_stay_in_quarantine(tmp_path: Path) -> None:
    ours = in_review(hypernetwork(tmp_path / "neon.pt"))
    reviews.publish(ours, by=making.person(Role.REVIEWER))
    file = ours.artifacts.get(role=ArtifactRole.REBUILT)
    theirs = in_review(stored(file, tmp_path))
    copy = theirs.artifacts.get(role=ArtifactRole.UPLOAD)
    assert copy.blob_id == file.blob_id
    Version.objects.filter(pk=theirs.pk).update(stage=Stage.PUBLISHED)
    assert serving.refusal(serving.visible_artifact(theirs.created_by, copy.pk)) == "quarantined"


def test_taking_it_away_removes_the_file_and_its_bytes(
    tmp_path: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    version = in_review(lora(tmp_path / "style.safetensors"))
    reviews.publish(version, by=making.person(Role.REVIEWER))
    with django_capture_on_commit_callbacks(execute=True):
        row = made(version, FP16)
    digest = the_file(row).blob_id
    with django_capture_on_commit_callbacks(execute=True):
        variants.remove(row, by=version.created_by)
    assert not blobs.exists(digest)
    assert version.events.filter(kind="deleted", note="style-fp16.safetensors").exists()
    assert version.artifacts.count() == 1
