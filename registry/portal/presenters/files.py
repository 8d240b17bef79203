"""A version's files: what each is, and what may be done with it here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry import catalogue, naming, serving, shards
from registry.catalogue import Visitor
from registry.models import Artifact, Report, User, Version
from registry.portal.presenters import words
from registry.portal.presenters.words import Badge
from registry.states import ArtifactRole, Stage

_REFUSED = {"quarantined": "kept in quarantine", "not_published": "not published"}


@dataclass(frozen=True, slots=True)
class FileRow:
    artifact: Artifact
    badge: Badge
    role: str
    size: str
    may_download: bool
    may_take_evidence: bool
    may_remove: bool
    #: What was left out on conversion, and why.
    dropped: tuple[tuple[str, str], ...]
    #: The community's words in its name, where that is another.
    also_as: str


def rows(
    version: Version,
    artifacts: Sequence[Artifact],
    reports: Mapping[str, Report],
    user: Visitor,
) -> tuple[FileRow, ...]:
    may_remove = version.stage == Stage.DRAFT and catalogue.may_edit(user, version.model)
    reviewer = isinstance(user, User) and user.is_reviewer
    return tuple(
        _row(artifact, reports.get(artifact.blob_id), reviewer, may_remove)
        for artifact in artifacts
    )


def _row(artifact: Artifact, report: Report | None, reviewer: bool, may_remove: bool) -> FileRow:
    refusal = serving.refusal(artifact)
    draft = artifact.version.stage == Stage.DRAFT
    dropped = artifact.details.get("dropped") or []
    return FileRow(
        artifact=artifact,
        badge=words.verdict(artifact.blob.verdict),
        role=_role(artifact, refusal),
        size=words.size(artifact.blob.size),
        may_download=refusal is None,
        may_take_evidence=reviewer and refusal is not None and not draft,
        may_remove=may_remove,
        dropped=tuple((words.visible(str(d["name"])), str(d.get("why") or "")) for d in dropped),
        also_as=naming.suggested(artifact, report.data) if report and refusal is None else "",
    )


def _role(artifact: Artifact, refusal: str | None) -> str:
    joined = artifact.details.get("joined")
    if joined:
        when = "what people download" if refusal is None else "what people will download"
        return f"all {len(joined)} parts in one, {when}"
    part = shards.shard(artifact.name)
    if part is not None and artifact.role == ArtifactRole.UPLOAD:
        return f"part {part.number} of {part.total} of one model; {_state(artifact, refusal)}"
    return _state(artifact, refusal)


def _state(artifact: Artifact, refusal: str | None) -> str:
    if artifact.role in {ArtifactRole.VARIANT, ArtifactRole.REBUILT}:
        said = str(artifact.details.get("said") or artifact.get_role_display())
        return f"made here: {said}" + ("" if refusal is None else f", {_REFUSED[refusal]}")
    if artifact.role == ArtifactRole.CONVERTED:
        return "what people download" if refusal is None else "what people will download"
    if refusal is None:
        return "as uploaded, what people download"
    if serving.fit_to_publish(artifact) and artifact.version.stage != Stage.QUARANTINED:
        return "as uploaded, what people will download"
    return f"as uploaded, {_REFUSED[refusal]}"
