"""What is made of a version's files because somebody asked, and what may be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry import catalogue, serving, variants
from registry.catalogue import Visitor
from registry.models import Artifact, User, Variant, Version
from registry.pipeline import making
from registry.pipeline.verdicts import REFUSED
from registry.portal.presenters import words
from registry.recipes import Recipe
from registry.states import ArtifactRole, Kind, RunState, Stage

#: VAEs offered in the form; any other goes by the API.
MOST_VAES = 50
_ACTIVITIES = {"convert": "copying tensors", "hashes": "hashing", "health": "checking the weights"}
_LIVE = (RunState.WAITING, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Row:
    pk: int
    said: str
    source: str
    state: str
    is_live: bool
    percent: int | None
    activity: str
    #: The name of the file, once it is made.
    file: str
    problem: str


@dataclass(frozen=True, slots=True)
class VariantsView:
    rows: tuple[Row, ...]
    uploads: tuple[Artifact, ...]
    vaes: tuple[Artifact, ...]
    may_ask: bool
    #: What the main file is decides what can be asked.
    is_model: bool
    may_be_torch: bool

    @property
    def under_way(self) -> bool:
        return any(row.is_live for row in self.rows)

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= variants.MOST


def view(version: Version, artifacts: Sequence[Artifact], user: Visitor) -> VariantsView | None:
    """None for whoever does not work on the version, and where there is nothing to say."""
    if not isinstance(user, User):
        return None
    if not (user.is_reviewer or catalogue.may_edit(user, version.model)):
        return None
    rows = version.variants.select_related("source", "artifact").order_by("pk")
    found = tuple(_row(row) for row in rows)
    may_ask = variants.may_ask(version, user)
    if not found and not may_ask:
        return None
    usable = [a for a in _sources(artifacts) if a.verdict not in REFUSED]
    kinds = {making.kind_of(artifact.blob) for artifact in usable}
    is_model = bool(kinds & variants.MODELS)
    return VariantsView(
        rows=found,
        uploads=tuple(usable),
        vaes=_vaes(version, artifacts, user) if may_ask and is_model else (),
        may_ask=may_ask and bool(usable),
        is_model=is_model,
        may_be_torch=bool(kinds & variants.TORCH_KINDS),
    )


def _sources(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Uploads; shards stand for nothing alone where there is what they are together."""
    joined = [a for a in artifacts if a.details.get("joined")]
    parts = {name for a in joined for name in a.details["joined"]}
    uploads = [a for a in artifacts if a.role == ArtifactRole.UPLOAD and a.name not in parts]
    return [*joined, *uploads]


def _row(row: Variant) -> Row:
    live = row.state in _LIVE
    return Row(
        pk=row.pk,
        said=Recipe.of_json(row.options).said,
        source=row.source.name,
        state=row.state,
        is_live=live,
        percent=row.percent if row.state == RunState.RUNNING else None,
        activity=_activity(row),
        file=row.artifact.name if row.artifact else "",
        problem="" if live else words.visible(row.error_detail or row.error_code),
    )


def _activity(row: Variant) -> str:
    if row.state == RunState.RUNNING:
        return _ACTIVITIES.get(row.activity, "under way")
    return "waits for a worker" if row.attempts == 0 else "will be tried again"


def _vaes(version: Version, artifacts: Sequence[Artifact], user: User) -> tuple[Artifact, ...]:
    """Files that are VAEs: of this version, and published ones."""
    own = [a for a in artifacts if making.kind_of(a.blob) == Kind.VAE and serving.is_fit(a.blob)]
    published = (
        Artifact.objects.filter(
            version__in=catalogue.visible_versions(user).order_by().values("pk"),
            version__stage=Stage.PUBLISHED,
            version__kind=Kind.VAE,
            blob__verdict=serving.CLEAN,
            blob__format="safetensors",
        )
        .exclude(version=version)
        .exclude(role=ArtifactRole.VARIANT)
        .select_related("blob", "version__model")
        .order_by("version__model__name", "name")[:MOST_VAES]
    )
    return (*own, *published)
