"""What a file is called: held against what it is, against the names of others, and made anew.

The engine judges names (``scanner.claims``) and makes them (``scanner.naming``); what is known here
is who claims what, and which prompt words are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from django.db.models import QuerySet

from registry import catalogue, names, serving
from registry.catalogue import Visitor
from registry.models import Artifact, Model, Report
from registry.states import ArtifactRole, Kind, Stage
from scanner import claims, naming
from scanner.claims import Conflict

#: How many holders of a prompt word are named.
NAMED = 5


def conflicts(artifact: Artifact, report: Mapping[str, Any]) -> tuple[Conflict, ...]:
    """Where the file's name, or what its uploader says of the model, disagrees with the report."""
    return check(artifact.name, artifact.version.model, report)


def check(name: str, model: Model, report: Mapping[str, Any]) -> tuple[Conflict, ...]:
    return claims.check(
        name, report, kind=model.claimed_kind or None, base=model.claimed_base or None
    )


def holders(prompt_words: Iterable[str]) -> QuerySet[Artifact]:
    """Published embeddings that prompts call by one of these words."""
    return (
        Artifact.objects.filter(
            prompt_word__in={word for word in prompt_words if word},
            role=ArtifactRole.UPLOAD,
            version__stage=Stage.PUBLISHED,
        )
        .select_related("version__model")
        .order_by("created_at", "pk")
    )


def collisions(files: Iterable[Artifact], user: Visitor) -> dict[Artifact, tuple[Artifact, ...]]:
    """Published embeddings of other models with the prompt word of one of a version's ``files``,
    of those that ``user`` may know of. Two of them in one folder, and a prompt means either."""
    named = [artifact for artifact in files if artifact.prompt_word]
    if not named:
        return {}
    seen = catalogue.visible_versions(user).order_by().values("pk")
    others = holders({artifact.prompt_word for artifact in named})
    others = others.exclude(version__model=named[0].version.model_id).filter(version__in=seen)
    found = {
        artifact: tuple(other for other in others if other.prompt_word == artifact.prompt_word)
        for artifact in named
    }
    return {artifact: taken[:NAMED] for artifact, taken in found.items() if taken}


def suggested(artifact: Artifact, report: Mapping[str, Any]) -> str:
    """The file's name with the community's words for what it holds; empty where there are none, or
    where that is its name. An embedding's name is its prompt word and stays."""
    words = (report.get("ledger") or {}).get("words") or []
    kind = str((report.get("identity") or {}).get("kind") or Kind.UNKNOWN)
    suffix = PurePath(artifact.name).suffix
    if not words or kind == Kind.EMBEDDING or artifact.blob.format in serving.PICKLE_FORMATS:
        return ""
    if artifact.role == ArtifactRole.VARIANT:
        # We named it, with the same words.
        return ""
    name = naming.suggested(artifact.name, kind, map(str, words), suffix)
    too_long = len(name.encode()) > names.MAX_BYTES
    return "" if too_long or name == artifact.name else name


def chosen(artifact: Artifact, wanted: str) -> str:
    """``wanted`` if it is the name that is offered beside the file's own, which it is otherwise: a
    link must not give a file any name it likes."""
    if wanted in {"", artifact.name}:
        return serving.download_name(artifact)
    report = Report.objects.filter(blob=artifact.blob_id, policy=artifact.blob.policy).first()
    offered = suggested(artifact, report.data) if report else ""
    return offered if offered and wanted == offered else serving.download_name(artifact)
