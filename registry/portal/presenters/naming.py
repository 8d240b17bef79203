"""What is said to uploaders and reviewers of a file's name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F

from registry import naming
from registry.catalogue import Visitor
from registry.models import Artifact, Report, Version
from registry.portal.presenters import words
from registry.states import ArtifactRole


@dataclass(frozen=True, slots=True)
class Taken:
    """A prompt word, and who has it already."""

    word: str
    holders: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True)
class NamingView:
    conflicts: tuple[str, ...]
    taken: tuple[Taken, ...]


def view(
    artifacts: Sequence[Artifact], reports: Mapping[str, Report], user: Visitor
) -> NamingView | None:
    """None where nothing is wrong with any name."""
    uploads = [a for a in artifacts if a.role == ArtifactRole.UPLOAD]
    said = {
        words.visible(conflict.message): None
        for file in uploads
        if file.blob_id in reports
        for conflict in naming.conflicts(file, reports[file.blob_id].data)
    }
    taken = [
        Taken(file.name.rpartition(".")[0] or file.name, holders)
        for file, holders in naming.collisions(uploads, user).items()
    ]
    return NamingView(tuple(said), tuple(taken)) if said or taken else None


def of_versions(versions: Sequence[Version]) -> dict[int, tuple[str, ...]]:
    """Version → sentences, for reviewers: all of a page in two queries."""
    files = Report.objects.filter(
        policy=F("blob__policy"),
        blob__artifacts__version__in=versions,
        blob__artifacts__role=ArtifactRole.UPLOAD,
    ).values_list(
        "blob__artifacts__version",
        "blob__artifacts__name",
        "blob__artifacts__prompt_word",
        "data__identity",
        "data__format",
    )
    listed = list(files)
    holders = defaultdict[str, list[Artifact]](list)
    for holder in naming.holders(word for _, _, word, _, _ in listed):
        holders[holder.prompt_word].append(holder)
    by_pk = {version.pk: version for version in versions}
    said = defaultdict[int, dict[str, None]](dict)
    for pk, name, word, identity, held in listed:
        model = by_pk[pk].model
        report = {"identity": identity, "format": held}
        for conflict in naming.check(name, model, report):
            said[pk][words.visible(conflict.message)] = None
        for holder in holders[word] if word else ():
            if holder.version.model_id != model.pk:
                said[pk][f"Prompts call {holder.version.model.name} by the same word."] = None
    return {pk: tuple(sentences) for pk, sentences in said.items()}
