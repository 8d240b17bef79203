"""Further files of a version, for whoever works on it: asked for, tried again, taken away."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from registry import catalogue, lifecycle, reports, serving
from registry.catalogue import Visitor
from registry.errors import UserError
from registry.models import Artifact, User, Variant, Version
from registry.pipeline import making, places
from registry.pipeline import variants as pipeline
from registry.pipeline.verdicts import REFUSED
from registry.recipes import Recipe
from registry.states import ArtifactRole, EventKind, Kind, RunState

#: Of one version, whatever has become of them.
MOST = 12
#: What can be written as a torch file, since there are tools that load nothing else.
TORCH_KINDS = frozenset({Kind.HYPERNETWORK, Kind.EMBEDDING, Kind.VAE})
#: What can be pruned, and given another VAE.
MODELS = frozenset({Kind.CHECKPOINT, Kind.UNET, Kind.UNKNOWN})
_OVER = (RunState.FAILED, RunState.CANCELLED)


def may_ask(version: Version, user: Visitor) -> bool:
    """Whether ``user`` works on the version, and it is at a stage to get another file."""
    may = isinstance(user, User) and (user.is_reviewer or catalogue.may_edit(user, version.model))
    return may and version.stage in pipeline.STAGES


def source_of(version: Version) -> Artifact | None:
    """What a variant is made from unless another upload is named."""
    return reports.main_file(version.artifacts.select_related("blob"))


def ask(
    version: Version,
    recipe: Recipe,
    *,
    by: User,
    source: int | None = None,
    vae: int | None = None,
) -> Variant:
    """Have a file made of an upload (``source``, or the main one), with the VAE of the artifact
    ``vae`` if one is given. What was asked for before is answered with the row that there is; one
    that failed is tried again.

    ``UserError``: "access.denied", "stage.forbids", "variant.…"
    """
    if not (by.is_reviewer or catalogue.may_edit(by, version.model)):
        raise UserError("access.denied")
    with transaction.atomic():
        version = lifecycle.lock(version)
        if version.stage not in pipeline.STAGES:
            stage = version.get_stage_display().lower()
            raise UserError("stage.forbids", stage=stage, action="given another file")
        upload = _upload(version, source)
        giver = _giver(version, vae, by)
        if giver is not None:
            recipe = Recipe.of_json({**recipe.to_json(), "vae": giver.blob_id})
        _check_sense(recipe, making.kind_of(upload.blob))
        return _row(version, upload, giver, recipe, by)


def _upload(version: Version, pk: int | None) -> Artifact:
    found = source_of(version)
    if pk is not None and (found is None or found.pk != pk):
        uploads = version.artifacts.filter(role=ArtifactRole.UPLOAD).select_related("blob")
        found = uploads.filter(pk=pk).first()
    if found is None or found.blob.verdict in {*REFUSED, ""}:
        raise UserError("variant.source")
    return found


def _giver(version: Version, pk: int | None, by: User) -> Artifact | None:
    """Whose VAE is put in: somebody has approved it already, or will with this very version."""
    if pk is None:
        return None
    giver = serving.visible_artifact(by, pk)
    if giver.verdict != serving.CLEAN:
        raise UserError("variant.vae", reason="it is not clean")
    if giver.version_id != version.pk and serving.refusal(giver):
        raise UserError("variant.vae", reason="it has not been published")
    return giver


def _check_sense(recipe: Recipe, kind: str) -> None:
    """Refuse at once what the converter would refuse after reading gigabytes."""
    if recipe.is_plain:
        raise UserError("variant.nothing_asked")
    if recipe.torch and kind not in TORCH_KINDS:
        raise UserError("variant.torch_kind")
    if recipe.vae and kind not in MODELS:
        raise UserError("variant.vae", reason="only a checkpoint's VAE can be changed")
    of_a_model = recipe.prune or recipe.position_ids
    if of_a_model and kind not in MODELS and recipe.precision == "keep" and not recipe.torch:
        raise UserError("variant.changes_nothing")


def _row(
    version: Version, upload: Artifact, giver: Artifact | None, recipe: Recipe, by: User
) -> Variant:
    key = recipe.key(upload.blob_id)
    row = version.variants.select_for_update().filter(key=key).first()
    if row is not None and row.state not in _OVER:
        return row
    if row is None:
        if version.variants.count() >= MOST:
            raise UserError("variant.too_many", most=MOST)
        row = Variant(version=version, key=key, options=recipe.to_json())
    row.source, row.vae, row.asked_by = upload, giver, by
    row.state, row.attempts, row.due_at, row.rung_at = RunState.WAITING, 0, timezone.now(), None
    row.percent, row.error_code, row.error_detail = 0, "", ""
    row.save()
    lifecycle.record(
        EventKind.VARIANT,
        version=version,
        by=by,
        note=f"asked for {upload.name}, {recipe.said}",
        data={"source": upload.blob_id, **recipe.to_json()},
    )
    pipeline.ring_after_commit(row)
    return row


def remove(variant: Variant, *, by: User) -> None:
    """Cancel it, or take away the file that was made. A worker that is at it notices at its next
    beat."""
    if not (by.is_reviewer or catalogue.may_edit(by, variant.version.model)):
        raise UserError("access.denied")
    with transaction.atomic():
        version = lifecycle.lock(variant.version)
        # Without a join: PostgreSQL locks no row that may be missing.
        found = version.variants.select_for_update().filter(pk=variant.pk).first()
        if found is None:
            raise UserError("not_found")
        artifact = found.artifact
        lifecycle.record(
            EventKind.DELETED,
            version=version,
            by=by,
            note=artifact.name if artifact else f"variant {Recipe.of_json(found.options).said}",
            data={"sha256": artifact.blob_id} if artifact else {},
        )
        found.delete()
        if artifact is not None:
            digest = artifact.blob_id
            artifact.delete()
            transaction.on_commit(lambda: places.let_go([digest]))
