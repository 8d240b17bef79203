"""Everything that a version's page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from registry import catalogue, contents, lineage, reports
from registry.catalogue import Visitor
from registry.models import Artifact, Decision, Report, Review, SmokeTest, User, Version
from registry.portal.presenters import actions as action_view
from registry.portal.presenters import again as again_view
from registry.portal.presenters import files, identity, journal, ledger, pictures, tensors, words
from registry.portal.presenters import lineage as lineage_view
from registry.portal.presenters import naming as naming_view
from registry.portal.presenters import rail as rail_view
from registry.portal.presenters import report as report_view
from registry.portal.presenters import variants as variants_view
from registry.portal.presenters.words import Badge
from registry.states import Kind, Stage


@dataclass(frozen=True, slots=True)
class VersionPage:
    version: Version
    title: str
    stage: Badge
    what: str
    rail: rail_view.Rail
    actions: action_view.Actions
    reports: tuple[report_view.ReportView, ...]
    pending: tuple[Artifact, ...]
    files: tuple[files.FileRow, ...]
    identity: identity.IdentityView | None
    ledger: ledger.LedgerBar | None
    smoke: pictures.SmokeView | None
    #: All pictures on one, for whoever has to decide.
    sheet: SmokeTest | None
    decisions: tuple[Review, ...]
    journal: tuple[journal.Line, ...]
    #: The decision that put the version where it is, when the uploader has to act on it.
    returned: Review | None
    #: What there is to say of its being inspected once more.
    again: again_view.Again | None
    naming: naming_view.NamingView | None
    lineage: tuple[lineage_view.Line, ...]
    tensors: tensors.TensorsView | None
    variants: variants_view.VariantsView | None
    #: It was inspected before tensors were listed.
    unlisted: bool


def page(version: Version, user: Visitor, asked: QueryDict | None = None) -> VersionPage:
    """``asked`` is what the address asks of the tensor browser."""
    artifacts = files_of(version)
    newest = reports.of_files(artifacts)
    by_pk = {artifact.pk: artifact for artifact in artifacts}
    main = reports.main_file(artifacts)
    data: Mapping[str, Any] = newest[main.blob_id].data if main and main.blob_id in newest else {}
    insider = _is_insider(user, version)
    decisions = tuple(version.reviews.select_related("reviewer")) if insider else ()
    kin = lineage.of(main, user) if main else ()
    smoke = pictures.view(version, user)
    listed = tensors.view(artifacts, asked if asked is not None else QueryDict())
    return VersionPage(
        version=version,
        title=_title(version.name),
        stage=words.HELD if version.is_held else words.STAGES[version.stage],
        what=words.what(version.kind, version.base) if version.kind != Kind.UNKNOWN else "",
        rail=rail_view.rail(version),
        actions=action_view.actions(version, user),
        reports=tuple(
            report_view.view(a, newest[a.blob_id], _original(a, by_pk, newest))
            for a in artifacts
            if a.blob_id in newest
        ),
        pending=tuple(a for a in artifacts if a.blob_id not in newest),
        files=files.rows(version, artifacts, newest, user),
        identity=identity.view(
            data.get("identity"), release=lineage.release(kin), said=version.trigger_words
        ),
        ledger=ledger.view(data.get("ledger"), main.blob.size if main else 0),
        smoke=smoke,
        sheet=smoke.sheet if smoke and _decides(user, version) else None,
        decisions=decisions,
        journal=journal.lines(version) if insider else (),
        returned=_returned(version, decisions),
        again=again_view.view(version, artifacts, insider=insider),
        naming=naming_view.view(artifacts, newest, user) if insider else None,
        lineage=lineage_view.view(kin),
        tensors=listed,
        variants=variants_view.view(version, artifacts, user),
        unlisted=listed is None and not contents.are_all_told(newest),
    )


def _original(
    artifact: Artifact, by_pk: Mapping[int, Artifact], newest: Mapping[str, Report]
) -> Report | None:
    source = by_pk.get(artifact.derived_from_id or 0)
    return newest.get(source.blob_id) if source else None


def files_of(version: Version) -> list[Artifact]:
    return list(version.artifacts.select_related("blob", "version__model").order_by("pk"))


_RETURNED = {
    Stage.DRAFT: Decision.CHANGES,
    Stage.REJECTED: Decision.REJECT,
    Stage.WITHDRAWN: Decision.WITHDRAW,
}


def _returned(version: Version, decisions: Sequence[Review]) -> Review | None:
    newest = next(iter(decisions), None)
    wanted = _RETURNED.get(Stage(version.stage))
    return newest if newest and newest.note and newest.decision == wanted else None


def _title(name: str) -> str:
    """ "v1.4" and "1.4" are said as "Version 1.4"; other names speak for themselves."""
    number = name.lstrip("vV")
    return f"Version {number}" if number[:1].isdigit() else name


def _decides(user: Visitor, version: Version) -> bool:
    return isinstance(user, User) and user.is_reviewer and version.stage == Stage.IN_REVIEW


def _is_insider(user: Visitor, version: Version) -> bool:
    """Reviewers' notes are for those who work on the version, not for everyone who fetches it."""
    return isinstance(user, User) and (
        user.is_reviewer
        or catalogue.may_edit(user, version.model)
        or version.created_by_id == user.pk
    )
