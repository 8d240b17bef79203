"""Taking files in: bytes stream to the store, are named by their digest, and join a draft."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.db import transaction

from registry import catalogue, lifecycle, names
from registry.blobs import Incoming
from registry.errors import UserError
from registry.models import Artifact, Model, SmokeTest, User, Version
from registry.pipeline import places, runs
from registry.pipeline.intake import store
from registry.states import ArtifactRole, EventKind, Stage


def check_may_add(version: Version, *, by: User) -> None:
    """Asked before a body is read: may ``by`` add a file to this version now?"""
    if not catalogue.may_edit(by, version.model):
        raise UserError("access.denied")
    if version.stage != Stage.DRAFT:
        raise UserError("version.not_draft", stage=version.get_stage_display().lower())


def receive(
    chunks: Iterable[bytes],
    *,
    version: Version,
    name: str,
    by: User,
    expected: int | None = None,
    sha256: str = "",
    limit: int | None = None,
) -> Artifact:
    """Stream ``chunks`` into the store and add them to ``version`` as ``name``.

    ``expected`` is the announced size in bytes; fewer raise ``UserError("upload.incomplete")``.
    An announced ``sha256`` is held against what arrived: ``UserError("file.digest_mismatch")``.
    Nothing is left behind on any error.
    """
    check_may_add(version, by=by)
    name = names.checked(name)
    if expected == 0:
        raise UserError("file.empty")
    with Incoming(limit=limit) as incoming:
        if expected is not None and expected > incoming.limit:
            raise UserError("file.too_large", limit=incoming.limit)
        for chunk in chunks:
            incoming.write(chunk)
        if expected is not None and incoming.size < expected:
            raise UserError("upload.incomplete", received=incoming.size, expected=expected)
        check_digest(incoming, sha256)
        return keep(incoming, version=version, name=name, by=by)


def check_digest(incoming: Incoming, announced: str) -> None:
    if announced and announced.strip().lower() != incoming.digest:
        raise UserError("file.digest_mismatch", actual=incoming.digest)


def receive_path(path: Path, *, version: Version, by: User, name: str | None = None) -> Artifact:
    """Copy a local file into the store and add it to ``version``."""

    def chunks() -> Iterable[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                yield chunk

    return receive(chunks(), version=version, name=name or path.name, by=by)


def keep(
    incoming: Incoming,
    *,
    version: Version,
    name: str,
    by: User | None,
    role: ArtifactRole = ArtifactRole.UPLOAD,
) -> Artifact:
    """Turn what has arrived into an artifact of ``version``."""
    name = names.checked(name)
    if not incoming.size:
        raise UserError("file.empty")
    incoming.finish()
    with transaction.atomic():
        # Locked, so that a submit cannot slip in between the check and the row.
        locked = lifecycle.lock(version)
        if locked.stage != Stage.DRAFT:
            raise UserError("version.not_draft", stage=locked.get_stage_display().lower())
        if locked.artifacts.filter(name=name).exists():
            raise UserError("file.name_taken", name=name)
        twin = locked.artifacts.filter(blob_id=incoming.digest).first()
        if twin:
            raise UserError("file.duplicate", name=twin.name)
        blob = store(incoming)
        artifact = Artifact.objects.create(
            version=locked, blob=blob, role=role, name=name, uploaded_by=by
        )
        lifecycle.record(
            EventKind.UPLOADED,
            version=locked,
            by=by,
            note=name,
            data={"sha256": blob.digest, "size": blob.size},
        )
    return artifact


def keep_all(
    arrived: Iterable[tuple[str, Incoming]], *, version: Version, by: User
) -> list[Artifact]:
    """Keep several files, or none of them: what would refuse one is looked for before the first."""
    pairs = [(names.checked(name), incoming) for name, incoming in arrived]
    if not pairs:
        raise UserError("file.missing")
    taken = set(version.artifacts.values_list("name", flat=True))
    held = dict(version.artifacts.values_list("blob_id", "name"))
    for name, incoming in pairs:
        if not incoming.size:
            raise UserError("file.empty")
        if name in taken:
            raise UserError("file.name_taken", name=name)
        if incoming.digest in held:
            raise UserError("file.duplicate", name=held[incoming.digest])
        taken.add(name)
        held[incoming.digest] = name
    for _, incoming in pairs:
        # Durable before the transaction, so that no other writer waits for the disk.
        incoming.finish()
    with transaction.atomic():
        return [keep(incoming, version=version, name=name, by=by) for name, incoming in pairs]


def submit(version: Version, *, by: User) -> None:
    """Hand a draft in: from here on the pipeline works on it."""
    if not catalogue.may_edit(by, version.model):
        raise UserError("access.denied")
    if version.stage != Stage.DRAFT:
        # Other stages may start over as well, but that is for ``reviews.retry`` to allow.
        stage = version.get_stage_display().lower()
        raise UserError("stage.forbids", stage=stage, action="handed in")
    with transaction.atomic():
        if not lifecycle.lock(version).artifacts.exists():
            raise UserError("version.no_files")
        lifecycle.move(version, Stage.RECEIVED, by=by)
        runs.start(version)


def remove_artifact(artifact: Artifact, *, by: User) -> None:
    """Take a file off a draft."""
    with transaction.atomic():
        version = lifecycle.lock(artifact.version)
        check_may_add(version, by=by)
        digests = _digests(version)
        lifecycle.record(
            EventKind.DELETED,
            version=version,
            by=by,
            note=artifact.name,
            data={"sha256": artifact.blob_id},
        )
        artifact.delete()
        # Those that the version still has are left alone.
        transaction.on_commit(lambda: places.let_go(digests))


def delete_version(version: Version, *, by: User, note: str = "") -> None:
    """Delete a version with its files, whatever its stage; the owner or an admin, and a reviewer
    for what is in quarantine."""
    may = catalogue.may_edit(by, version.model) or (
        by.is_reviewer and version.stage in {Stage.QUARANTINED, Stage.REJECTED}
    )
    if not may:
        raise UserError("access.denied")
    with transaction.atomic():
        was = lifecycle.lock(version).stage
        digests = _digests(version)
        lifecycle.record(
            EventKind.DELETED,
            model=version.model,
            by=by,
            subject=str(version),
            was=was,
            note=note,
            data={"files": [a.name for a in version.artifacts.all()], "sha256": sorted(digests)},
        )
        version.delete()
        transaction.on_commit(lambda: places.let_go(digests))


def delete_model(model: Model, *, by: User, note: str = "") -> None:
    """Delete a model with every version; the owner or an admin."""
    if not catalogue.may_edit(by, model):
        raise UserError("access.denied")
    digests: set[str] = set()
    with transaction.atomic():
        versions = list(model.versions.select_for_update().order_by("pk"))
        for version in versions:
            digests |= _digests(version)
        lifecycle.record(
            EventKind.DELETED,
            by=by,
            subject=model.name,
            note=note,
            data={
                "versions": {version.name: version.stage for version in versions},
                "sha256": sorted(digests),
            },
        )
        model.delete()
        transaction.on_commit(lambda: places.let_go(digests))


def _digests(version: Version) -> set[str]:
    found = set(version.artifacts.values_list("blob_id", flat=True))
    for preview in version.previews.all():
        found |= {preview.full_id, preview.medium_id, preview.small_id}
    sheets = SmokeTest.objects.filter(artifact__version=version, sheet__isnull=False)
    return found | set(sheets.values_list("sheet_id", flat=True))
