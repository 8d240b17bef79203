"""The catalogue: cards, facets as links that combine, and a person's work under way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet
from django.http import QueryDict

from registry import catalogue
from registry.models import Model, Preview, User, Version
from registry.portal.presenters import words
from registry.portal.presenters.pictures import telling
from registry.portal.presenters.words import Badge
from registry.states import Stage

FACETS = ("kind", "base", "precision", "tag")
_LOOKUPS = {"kind": "kind", "base": "base", "tag": "tags__name"}
SORTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "newest": ("Newest", ("-updated_at", "-id")),
    "name": ("Name", ("name", "id")),
    "downloads": ("Most downloaded", ("-downloads", "-id")),
}
_HUES = 8


@dataclass(frozen=True, slots=True)
class Option:
    label: str
    count: int
    query: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """``hue`` picks the placeholder's colours: the same for the same model every time."""

    model: Model
    what: str
    version: Version | None
    preview: Preview | None
    hue: int


@dataclass(frozen=True, slots=True)
class WorkRow:
    version: Version
    badge: Badge
    percent: int | None
    what: str


def chosen(query: QueryDict) -> dict[str, str]:
    # A database refuses the character, and nothing contains it.
    return {
        name: str(query[name]) for name in FACETS if query.get(name) and "\0" not in query[name]
    }


def narrowed(models: QuerySet[Model], choice: Mapping[str, str]) -> QuerySet[Model]:
    """Of ``models``, those that fit every choice; a precision counts where it is published."""
    for name, value in choice.items():
        if name == "precision":
            versions = Version.objects.filter(precision=value, stage=Stage.PUBLISHED)
            models = models.filter(pk__in=versions.values("model"))
        else:
            models = models.filter(**{_LOOKUPS[name]: value})
    return models


def facets(models: QuerySet[Model], query: QueryDict) -> tuple[Facet, ...]:
    """Each facet counted under the other facets' choices, so that every link leads somewhere."""
    choice = chosen(query)
    everything = catalogue.facets(narrowed(models, choice))
    shown = []
    for name in FACETS:
        counts = everything[name]
        if name in choice:
            others = {key: value for key, value in choice.items() if key != name}
            counts = catalogue.facets(narrowed(models, others))[name]
        if counts:
            shown.append(Facet(name, name.capitalize(), _options(name, counts, query)))
    return tuple(shown)


def _options(name: str, counts: Sequence[tuple[str, int]], query: QueryDict) -> tuple[Option, ...]:
    return tuple(
        Option(
            label=_label(name, value),
            count=count,
            query=_toggled(query, name, value),
            chosen=query.get(name) == value,
        )
        for value, count in counts
    )


def _label(name: str, value: str) -> str:
    if name == "kind":
        return words.kind(value)
    return words.base(value) if name == "base" else value


def _toggled(query: QueryDict, name: str, value: str) -> str:
    changed = query.copy()
    changed.pop("page", None)
    if query.get(name) == value:
        changed.pop(name)
    else:
        changed[name] = value
    return changed.urlencode()


def without(query: QueryDict, *names: str) -> str:
    """The query string less ``names``, for links that set them anew."""
    changed = query.copy()
    for name in names:
        changed.pop(name, None)
    return changed.urlencode()


def with_versions(models: QuerySet[Model]) -> QuerySet[Model]:
    """``models`` with their published versions and pictures at hand, newest first."""
    versions = (
        Version.objects.filter(stage=Stage.PUBLISHED)
        .order_by("-published_at", "-id")
        .prefetch_related("previews")
    )
    return models.prefetch_related(Prefetch("versions", versions, to_attr="on_shelf"))


def cards(models: Iterable[Model]) -> tuple[Card, ...]:
    """Cards of models fetched by ``with_versions``."""
    return tuple(_card(model) for model in models)


def _card(model: Model) -> Card:
    versions: list[Version] = getattr(model, "on_shelf", [])
    newest = versions[0] if versions else None
    previews = telling(preview for version in versions for preview in version.previews.all())
    return Card(
        model=model,
        what=words.what(model.kind, model.base),
        version=newest,
        preview=previews[0] if previews else None,
        hue=hue(model),
    )


def hue(model: Model) -> int:
    return hashlib.sha256(model.slug.encode()).digest()[0] % _HUES


def work(user: User, limit: int = 12) -> tuple[WorkRow, ...]:
    """The person's own versions that are not on the shelf yet."""
    versions = (
        Version.objects.filter(Q(created_by=user) | Q(model__owner=user))
        .exclude(stage__in=[Stage.PUBLISHED, Stage.WITHDRAWN])
        .select_related("model")
        .prefetch_related("runs")
        .order_by("-stage_since")[:limit]
    )
    return tuple(work_row(version) for version in versions)


def work_row(version: Version) -> WorkRow:
    live = next((r for r in version.runs.all() if r.state in {"waiting", "running"}), None)
    return WorkRow(
        version=version,
        badge=words.HELD if version.is_held else words.STAGES[version.stage],
        percent=live.percent if live and live.state == "running" else None,
        what=words.what(version.kind, version.base),
    )
