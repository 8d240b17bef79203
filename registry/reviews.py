"""What a person decides about a version."""

from __future__ import annotations

from django.db import transaction

from registry import blobs, catalogue, lifecycle, reports, serving
from registry.errors import UserError
from registry.models import Artifact, Blob, Decision, Review, SmokeBase, User, Version
from registry.pipeline import redraws, runs
from registry.states import Role, Stage

REFUSED = frozenset({Stage.QUARANTINED, Stage.REJECTED})
STARTS_OVER = REFUSED | {Stage.WITHDRAWN}


def publish(version: Version, *, by: User, note: str = "") -> None:
    """Approve: the version's clean files become servable."""
    _check_may_decide(version, by)
    with transaction.atomic():
        lifecycle.lock(version)
        fit = [a for a in _locked_files(version) if serving.fit_to_publish(a)]
        if version.stage == Stage.IN_REVIEW and not fit:
            raise UserError("review.no_clean_file", reason="no clean file in a safe format")
        lifecycle.move(version, Stage.PUBLISHED, by=by, note=note)
        _decided(version, Decision.PUBLISH, by, note)
        reports.describe_model(version)
        for artifact in fit:
            blobs.expose(artifact.blob_id)
        if SmokeBase.objects.filter(artifact__version=version).exists():
            # Withdrawn once, it serves again.
            redraws.look_after_commit()


def reject(version: Version, *, by: User, note: str) -> None:
    """Refuse, with the reason that the uploader will read."""
    _check_may_decide(version, by, own=True)
    _need(note)
    with transaction.atomic():
        lifecycle.move(version, Stage.REJECTED, by=by, note=note)
        _decided(version, Decision.REJECT, by, note)
        runs.cancel(version)


def ask_for_changes(version: Version, *, by: User, note: str) -> None:
    """Return to the uploader as a draft."""
    _check_may_decide(version, by, own=True)
    _need(note)
    with transaction.atomic():
        lifecycle.move(version, Stage.DRAFT, by=by, note=note)
        _decided(version, Decision.CHANGES, by, note)


def withdraw(version: Version, *, by: User, note: str) -> None:
    """Stop serving a published version; its owner or a reviewer."""
    if not (by.is_reviewer or catalogue.may_edit(by, version.model)):
        raise UserError("access.denied")
    _need(note)
    with transaction.atomic():
        lifecycle.move(version, Stage.WITHDRAWN, by=by, note=note)
        _decided(version, Decision.WITHDRAW, by, note)
        confine_unpublished(version)


def retry(version: Version, *, by: User, note: str = "") -> None:
    """Start again: a held step, or a version that was quarantined, rejected or withdrawn."""
    if not (by.is_reviewer or catalogue.may_edit(by, version.model)):
        raise UserError("access.denied")
    with transaction.atomic():
        version.problem = lifecycle.lock(version).problem
        if catalogue.is_busy(version):
            raise UserError("version.busy")
        if version.is_held:
            runs.release(version, by=by, note=note)
            return
        if version.stage not in STARTS_OVER:
            stage = version.get_stage_display().lower()
            raise UserError("stage.forbids", stage=stage, action="tried again")
        # Only a reviewer may bring back what was refused.
        if version.stage in REFUSED and not by.is_reviewer:
            raise UserError("access.denied")
        lifecycle.move(version, Stage.RECEIVED, by=by, note=note)
        runs.start(version)


def confine_unpublished(version: Version) -> None:
    """Take the version's blobs out of the public place, unless another published one needs them."""
    for artifact in _locked_files(version):
        others = Artifact.objects.filter(
            blob_id=artifact.blob_id, version__stage=Stage.PUBLISHED
        ).exclude(version=version)
        needed = any(map(serving.fit_to_publish, others.select_related("blob")))
        if not needed and blobs.is_public(artifact.blob_id):
            blobs.confine(artifact.blob_id)


def may_decide(version: Version, user: User) -> bool:
    """Whether ``user`` may approve: a reviewer, and not of an own upload while another exists."""
    return user.is_reviewer and not _is_own_with_others(version, user)


def _is_own_with_others(version: Version, user: User) -> bool:
    own_files = version.artifacts.filter(uploaded_by=user)
    if version.created_by_id != user.pk and not own_files.exists():
        return False
    reviewers = User.objects.filter(is_active=True, role__in=[Role.REVIEWER, Role.ADMIN])
    return reviewers.exclude(pk=user.pk).exists()


def _check_may_decide(version: Version, by: User, *, own: bool = False) -> None:
    if not by.is_reviewer:
        raise UserError("access.denied")
    if not own and _is_own_with_others(version, by):
        raise UserError("review.own_upload")


def _locked_files(version: Version) -> list[Artifact]:
    """The version's artifacts, their blobs' rows locked in order, so that two decisions about the
    same bytes take turns."""
    artifacts = list(version.artifacts.select_related("blob"))
    digests = {artifact.blob_id for artifact in artifacts}
    blobs_by_digest = {
        blob.digest: blob
        for blob in Blob.objects.select_for_update().filter(digest__in=digests).order_by("digest")
    }
    for artifact in artifacts:
        artifact.blob = blobs_by_digest[artifact.blob_id]
    return artifacts


def _need(note: str) -> None:
    if not note.strip():
        raise UserError("note.needed")


def _decided(version: Version, decision: Decision, by: User, note: str) -> None:
    Review.objects.create(
        version=version, reviewer=by, decision=decision, note=note, verdict=version.verdict
    )
