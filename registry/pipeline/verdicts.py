"""A verdict on bytes that others may have already: what follows for every version that bears them.

Evidence alone decides nothing for the better here. A worse verdict stops what it has to stop at
once; a better one is noted, and people are told where that is worth a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry import lifecycle, lineage, notices, reports, serving
from registry.models import Artifact, Blob, Report, User, Version
from registry.pipeline import places, runs
from registry.states import EventKind, Stage

REFUSED = frozenset({"malicious", "unreadable"})
#: Stages whose own first inspection is still to come, and decides.
_UNDECIDED = frozenset({Stage.DRAFT, Stage.RECEIVED})
_ON_THE_WAY = frozenset({Stage.INSPECTED, Stage.CONVERTED, Stage.SMOKE_TESTED, Stage.IN_REVIEW})


@dataclass(frozen=True, slots=True)
class Change:
    """What a report changed. ``lost``: the bytes could be served, and no longer can."""

    blob: Blob
    report: Report
    was: str
    lost: bool

    @property
    def now(self) -> str:
        return self.blob.verdict

    @property
    def worse(self) -> bool:
        return self.lost or reports.rank(self.now) > reports.rank(self.was)

    @property
    def better(self) -> bool:
        return not self.worse and reports.rank(self.now) < reports.rank(self.was)

    @property
    def why(self) -> str:
        return reports.why(self.report)


def lock(digest: str) -> tuple[Blob | None, list[Version]]:
    """The blob and the versions that bear it, locked: versions first, as everywhere."""
    bearing = Version.objects.filter(artifacts__blob=digest).values("pk")
    versions = list(
        Version.objects.select_for_update()
        .filter(pk__in=bearing)
        .select_related("model__owner", "created_by")
        .order_by("pk")
    )
    return Blob.objects.select_for_update().filter(pk=digest).first(), versions


@transaction.atomic
def accept(blob: Blob, data: dict[str, Any], *, seconds: float = 0) -> Change | None:
    """Keep a report, and do what follows where it replaces the one that counted; None where it was
    the first, or does not count."""
    locked, versions = lock(blob.digest)
    if locked is None:
        return None
    was, fit = locked.verdict, serving.is_fit(locked)
    report = reports.store(locked, data, seconds=seconds)
    lineage.learn_after(blob.digest)
    blob.refresh_from_db()
    if not was or locked.policy != report.policy:
        return None
    change = Change(locked, report, was, lost=fit and not serving.is_fit(locked))
    told = set[User]()
    for version in versions:
        if version.stage not in _UNDECIDED:
            told |= _settle(version, change)
    if change.lost:
        _tell_downloaders(change, versions, told)
        digest = locked.digest
        transaction.on_commit(lambda: places.settle([digest]))
    return change


def _settle(version: Version, change: Change) -> set[User]:
    """Do for one version what the change asks for; who was told of it."""
    files = list(version.artifacts.filter(blob=change.blob))
    reports.describe(version)
    _note(version, files, change)
    stage = Stage(version.stage)
    if change.worse and stage is Stage.PUBLISHED and (change.lost or change.now in REFUSED):
        _stop(version, Stage.WITHDRAWN, files, change)
        return notices.answerable(version)
    if change.worse and stage in _ON_THE_WAY and change.now in REFUSED:
        _stop(version, Stage.QUARANTINED, files, change)
        runs.cancel(version)
        return notices.uploaders(version) | notices.reviewers()
    if change.worse and stage in {Stage.PUBLISHED, *_ON_THE_WAY}:
        notices.worse(version, _sentence(files, change))
    elif change.better and stage is Stage.QUARANTINED and not _is_refused(version):
        notices.cleared(version)
    return set()


def _note(version: Version, files: Sequence[Artifact], change: Change) -> None:
    said = f"still {change.now}" if change.was == change.now else f"{change.was}, now {change.now}"
    lifecycle.record(
        EventKind.AGAIN,
        version=version,
        note=f"{_names(files)}: {said}, under policy {change.report.policy}",
        data=_data(change),
    )


def _stop(version: Version, to: Stage, files: Sequence[Artifact], change: Change) -> None:
    lifecycle.move(version, to, note=_sentence(files, change), data=_data(change))
    digests = set(version.artifacts.values_list("blob_id", flat=True))
    # After the commit: what cannot be moved now is refused all the same, and swept up later.
    transaction.on_commit(lambda: places.settle(digests))


def _data(change: Change) -> dict[str, Any]:
    return {
        "sha256": change.blob.digest,
        "policy": change.report.policy,
        "was": change.was,
        "now": change.now,
    }


def _sentence(files: Sequence[Artifact], change: Change) -> str:
    found = change.why or f"found {change.now}"
    return f"Inspected again under policy {change.report.policy}. {_names(files)}: {found}"


def _names(files: Sequence[Artifact]) -> str:
    return ", ".join(artifact.name for artifact in files)


def _is_refused(version: Version) -> bool:
    verdicts = set(version.artifacts.values_list("blob__verdict", flat=True))
    return bool(verdicts & {*REFUSED, ""})


def _tell_downloaders(change: Change, versions: Sequence[Version], told: set[User]) -> None:
    """Tell everybody who has the file, once, of the version that they had it from last."""
    by_pk = {version.pk: version for version in versions}
    files = {a.pk: a for a in Artifact.objects.filter(blob=change.blob)}
    fetched = (
        User.objects.filter(
            download_log__artifact__in=files, download_log__evidence=False, is_active=True
        )
        .exclude(pk__in=[person.pk for person in told])
        .order_by("download_log__at")
        .values_list("pk", "download_log__artifact")
    )
    last = dict(fetched)
    people = User.objects.in_bulk(last)
    for pk, file in last.items():
        artifact = files[file]
        version = by_pk.get(artifact.version_id)
        if version is not None:
            notices.unsafe([people[pk]], version, artifact.name, change.blob.digest, change.why)
