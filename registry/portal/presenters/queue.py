"""The review queue: what waits for a person, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import F, QuerySet

from registry import reports
from registry.models import Preview, Report, Version
from registry.portal.presenters import naming as naming_view
from registry.portal.presenters import words
from registry.portal.presenters.pictures import telling
from registry.portal.presenters.words import Badge
from registry.states import ArtifactRole, Stage

FILTERS: Mapping[str, str] = {
    "": "Everything",
    "review": "In review",
    "held": "Held",
    "quarantine": "Quarantine",
}
_SEVERE = ("malicious", "unreadable", "suspicious")


@dataclass(frozen=True, slots=True)
class Row:
    version: Version
    badge: Badge
    why: str
    #: What its files' names say that is not so, or is taken.
    names: tuple[str, ...]
    pictures: tuple[Preview, ...]


@dataclass(frozen=True, slots=True)
class Tab:
    key: str
    label: str
    count: int
    chosen: bool


def filtered(queue: QuerySet[Version], key: str) -> QuerySet[Version]:
    if key == "review":
        return queue.filter(stage=Stage.IN_REVIEW)
    if key == "held":
        return queue.exclude(problem={})
    if key == "quarantine":
        return queue.filter(stage=Stage.QUARANTINED)
    return queue


def tabs(queue: QuerySet[Version], chosen: str) -> tuple[Tab, ...]:
    return tuple(
        Tab(key, label, filtered(queue, key).count(), key == chosen)
        for key, label in FILTERS.items()
    )


def rows(versions: Iterable[Version]) -> tuple[Row, ...]:
    listed = list(versions)
    findings = _worst_findings(listed)
    newcomers = _newcomers(listed)
    disputed = naming_view.of_versions(listed)
    return tuple(
        Row(
            version=version,
            badge=words.verdict(version.verdict),
            why=_why(version, findings.get(version.pk, ""), version.created_by_id in newcomers),
            names=disputed.get(version.pk, ()),
            pictures=tuple(telling(version.previews.all())[:3]),
        )
        for version in listed
    )


def _why(version: Version, finding: str, newcomer: bool) -> str:
    if version.is_held:
        detail = version.problem.get("detail") or version.problem.get("code")
        return words.visible(f"Held: {detail}")
    if finding:
        return finding
    if version.stage == Stage.QUARANTINED:
        return "Quarantined once; what was found then is no longer found"
    return "First upload by this person" if newcomer else "Every version is approved by a person"


def _worst_findings(versions: list[Version]) -> dict[int, str]:
    """Version → the sentence of its gravest finding, and how many more there are."""
    found = (
        Report.objects.filter(
            policy=F("blob__policy"),
            blob__artifacts__version__in=versions,
            blob__artifacts__role=ArtifactRole.UPLOAD,
        )
        .order_by("id")
        .values_list("blob__artifacts__version", "data__safety__findings")
    )
    gathered: dict[int, list[Mapping[str, str]]] = {}
    for version, findings in found:
        grave = [finding for finding in findings or [] if finding["severity"] in _SEVERE]
        gathered.setdefault(version, []).extend(grave)
    return {version: _sentence(findings) for version, findings in gathered.items() if findings}


def _sentence(findings: list[Mapping[str, str]]) -> str:
    worst = min(findings, key=lambda finding: _SEVERE.index(finding["severity"]))
    more = len(findings) - 1
    message = words.visible(str(worst.get("message") or worst.get("rule") or ""))
    message = reports.plain(message)
    return f"{message} And {more} more." if more else message


def _newcomers(versions: list[Version]) -> set[int]:
    """Uploaders of whom nothing has been published yet."""
    people = {version.created_by_id for version in versions}
    known = Version.objects.filter(created_by__in=people, published_at__isnull=False)
    return people - set(known.values_list("created_by", flat=True))
