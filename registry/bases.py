"""Which published checkpoint add-ons are shown on: set and unset by those who decide reviews."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry import lifecycle, serving
from registry.errors import UserError
from registry.models import Artifact, SmokeBase, User, Version
from registry.pipeline import bases as pipeline
from registry.pipeline import redraws
from registry.states import EventKind, Kind, Stage


def all_set() -> QuerySet[SmokeBase]:
    return SmokeBase.objects.select_related("artifact__blob", "artifact__version__model", "set_by")


def set_base(artifact: Artifact, *, by: User | None) -> SmokeBase:
    """From now on add-ons of its base are shown on this file; what was skipped for the want of one
    is drawn by itself. ``by`` is None on the command line.

    ``UserError``: "access.denied", "base.unfit"
    """
    if by is not None and not by.is_reviewer:
        raise UserError("access.denied")
    with transaction.atomic():
        lifecycle.lock(artifact.version)
        artifact = Artifact.objects.select_related("blob", "version__model").get(pk=artifact.pk)
        base = _fitting(artifact)
        row, made = SmokeBase.objects.select_for_update().get_or_create(
            base=base, defaults={"artifact": artifact, "set_by": by}
        )
        if not made and row.artifact_id != artifact.pk:
            row.artifact, row.set_by, row.set_at = artifact, by, timezone.now()
            row.save()
            made = True
        if made:
            note = f"{artifact.name} is the base for {base}"
            data = {"base": base, "sha256": artifact.blob_id}
            lifecycle.record(EventKind.BASE, version=artifact.version, by=by, note=note, data=data)
            redraws.look_after_commit()
    return row


def _fitting(artifact: Artifact) -> str:
    """The base for which it can stand; ``UserError`` with the reason why it cannot."""
    if serving.refusal(artifact):
        raise UserError("base.unfit", reason="it is not served, so nobody has approved it")
    if not pipeline.serves(artifact):
        raise UserError("base.unfit", reason="its model is private, or it is not in safetensors")
    base = pipeline.family(artifact)
    if not base:
        raise UserError("base.unfit", reason="it is no whole checkpoint in safetensors")
    return base


def unset(base: str, *, by: User | None) -> None:
    """No checkpoint stands for ``base`` any more. Pictures that were made with it stay."""
    if by is not None and not by.is_reviewer:
        raise UserError("access.denied")
    with transaction.atomic():
        row = all_set().filter(base=base).first() if base.isprintable() else None
        if row is None:
            raise UserError("not_found")
        note = f"{row.artifact.name} is no longer the base for {base}"
        lifecycle.record(
            EventKind.BASE, version=row.artifact.version, by=by, note=note, data={"base": base}
        )
        row.delete()


def candidate(version: Version) -> Artifact | None:
    """The version's file that could stand for a base: its largest that is fit for it."""
    if version.stage != Stage.PUBLISHED or version.kind != Kind.CHECKPOINT:
        return None
    files = version.artifacts.select_related("blob", "version__model")
    fit = [file for file in files if pipeline.serves(file) and pipeline.family(file)]
    return max(fit, key=lambda file: file.blob.size, default=None)


def candidates(limit: int = 50) -> list[Artifact]:
    """What could be set: of each published version one file, newest first."""
    published = Version.objects.filter(stage=Stage.PUBLISHED, kind=Kind.CHECKPOINT)
    found = (candidate(version) for version in published.order_by("-published_at")[:limit])
    return [artifact for artifact in found if artifact is not None]
