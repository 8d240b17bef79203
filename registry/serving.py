"""Whether bytes may leave, decided at the moment of serving, on every route alike."""

from __future__ import annotations

from pathlib import PurePath

from django.db import transaction
from django.db.models import F, Q

from registry import blobs, catalogue, lifecycle
from registry.catalogue import Visitor
from registry.errors import UserError
from registry.models import Artifact, Blob, Download, Model, User
from registry.states import ArtifactRole, EventKind, Stage

#: Containers that run code when they are loaded the usual way: never served as uploaded.
PICKLE_FORMATS = frozenset(
    {"torch-zip", "torch-legacy", "torch-tar", "torchscript", "pickle", "numpy", "zip", "archive"}
)
CLEAN = "clean"
#: The one container among them that we write ourselves.
_OURS = "torch-zip"


def refusal(artifact: Artifact) -> str | None:
    """Why this artifact may not be served to anybody ("quarantined", "not_published"), or None."""
    blob = artifact.blob
    if artifact.version.stage == Stage.QUARANTINED:
        return "quarantined"
    if not fit_to_publish(artifact):
        # An original in pickle form stays in quarantine even when its version is published.
        return "quarantined" if blob.verdict else "not_published"
    if artifact.version.stage != Stage.PUBLISHED:
        return "not_published"
    return None


def fit_to_publish(artifact: Artifact) -> bool:
    """Whether this artifact would be served once its version is published."""
    blob = artifact.blob
    if blob.verdict != CLEAN:
        return False
    return blob.format not in PICKLE_FORMATS or is_rebuilt(artifact)


def is_rebuilt(artifact: Artifact) -> bool:
    """Whether it is a torch file of our own writing. The very same bytes, uploaded by somebody, are
    an upload like any other and stay in quarantine."""
    return artifact.role == ArtifactRole.REBUILT and artifact.blob.format == _OURS


def is_fit(blob: Blob) -> bool:
    """Whether anybody may ever be handed these bytes, by one artifact or another."""
    if blob.verdict != CLEAN or blob.format not in PICKLE_FORMATS:
        return blob.verdict == CLEAN
    return blob.format == _OURS and blob.artifacts.filter(role=ArtifactRole.REBUILT).exists()


def published_digests() -> set[str]:
    """The blobs that some published version may serve."""
    served = Artifact.objects.filter(version__stage=Stage.PUBLISHED, blob__verdict=CLEAN)
    rebuilt = Q(role=ArtifactRole.REBUILT, blob__format=_OURS)
    fit = served.filter(rebuilt | ~Q(blob__format__in=PICKLE_FORMATS))
    return set(fit.values_list("blob_id", flat=True))


def visible_artifact(user: Visitor, pk: int) -> Artifact:
    """The artifact, if ``user`` may know of its version; ``UserError("not_found")`` otherwise."""
    artifact = (
        Artifact.objects.select_related("version__model", "blob")
        .filter(pk=pk, version__in=catalogue.visible_versions(user))
        .first()
    )
    if artifact is None:
        raise UserError("not_found")
    return artifact


def authorise(user: Visitor, pk: int) -> Artifact:
    """The artifact whose bytes ``user`` may have now.

    ``UserError``: "not_found", "quarantined" or "not_published".
    """
    artifact = visible_artifact(user, pk)
    reason = refusal(artifact)
    if reason is None and not blobs.is_public(artifact.blob_id):
        reason = "not_published"
    if reason:
        raise UserError(reason)
    return artifact


def count(artifact: Artifact, user: Visitor) -> None:
    """Note one download."""
    with transaction.atomic():
        Download.objects.create(artifact=artifact, user=user if isinstance(user, User) else None)
        Artifact.objects.filter(pk=artifact.pk).update(downloads=F("downloads") + 1)
        # Not save(): a download does not make a model newer.
        Model.objects.filter(pk=artifact.version.model_id).update(downloads=F("downloads") + 1)


def evidence(user: User, pk: int) -> Artifact:
    """An artifact's bytes as evidence, whatever its verdict: reviewers only, and journalled."""
    if not user.is_reviewer:
        raise UserError("access.denied")
    artifact = visible_artifact(user, pk)
    with transaction.atomic():
        Download.objects.create(artifact=artifact, user=user, evidence=True)
        lifecycle.record(
            EventKind.EVIDENCE,
            version=artifact.version,
            by=user,
            note=artifact.name,
            data={"artifact": artifact.pk, "sha256": artifact.blob_id},
        )
    return artifact


def download_name(artifact: Artifact) -> str:
    """The file's name on the reader's disk. An embedding's or a hypernetwork's is a word of the
    prompt: what we wrote anew goes by the name of what it was made from."""
    if is_rebuilt(artifact) and artifact.derived_from is not None:
        return PurePath(artifact.derived_from.name).stem + PurePath(artifact.name).suffix
    return artifact.name
