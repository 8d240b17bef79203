"""Keeping reports: one for each digest and policy, with what the catalogue repeats of the one that
counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import F

from registry import contents, names, policies
from registry.models import Artifact, Blob, BlobHash, Model, Report, Version
from registry.models.catalogue import MOST_TRIGGER_WORDS, TRIGGER_WORD_LENGTH
from registry.states import ArtifactRole, Kind, Stage
from scanner.report import EXTRA, Verdict

#: As the scanner declares them: each is worse than the one before.
_WORST_LAST = tuple(Verdict)
#: The report belongs to the digest: its name, and what follows from that, are filled in when it is
#: shown. The large sections are kept apart.
_NOT_KEPT = frozenset({"name", "path", "naming", *EXTRA})
_REFERENCE = re.compile(r" \(https://[^\s()]+\)")


@transaction.atomic
def store(blob: Blob, data: dict[str, Any], *, seconds: float = 0) -> Report:
    """Keep the scanner's report on ``blob``, and have it count unless one under the policy in force
    does. A report under the same policy is replaced."""
    verdict = data["safety"]["verdict"]
    kept = {key: value for key, value in data.items() if key not in _NOT_KEPT}
    report, _ = Report.objects.update_or_create(
        blob=blob,
        policy=data["scanner"]["policy"],
        defaults={"verdict": verdict, "data": kept, "seconds": seconds},
    )
    _let_count(report)
    blob.refresh_from_db()
    hashes = {kind: value for kind, value in data["hashes"].items() if value}
    for kind, value in hashes.items():
        BlobHash.objects.update_or_create(blob=blob, kind=kind, defaults={"value": value})
    # Bytes that only began like a safetensors file lose what they were given for it.
    blob.hashes.exclude(kind__in=hashes).delete()
    contents.keep(blob, data)
    return report


def _let_count(report: Report) -> None:
    """An engine that is older than the site's policy has no say where the policy has spoken."""
    blobs = Blob.objects.filter(pk=report.blob_id)
    current = policies.in_force()
    if current and report.policy != current:
        blobs = blobs.exclude(policy=current)
    blobs.update(verdict=report.verdict, format=report.data["format"], policy=report.policy)


def why(report: Report) -> str:
    """The finding that makes the verdict, in a sentence; empty where there is none."""
    findings = report.data["safety"]["findings"]
    said = next((str(f["message"]) for f in findings if f["severity"] == report.verdict), "")
    return plain(said)


def plain(message: str) -> str:
    """A finding's sentence without its references: the report has them."""
    return _REFERENCE.sub("", message)


def rank(verdict: str) -> int:
    """How bad a verdict is, among others."""
    return _WORST_LAST.index(Verdict(verdict))


def shown(report: Report, *, name: str) -> dict[str, Any]:
    """The report as every way in shows it, under the name that the file has here."""
    return {"schema": report.data.get("schema"), "name": name} | {
        key: value for key, value in report.data.items() if key != "schema"
    }


def worst(verdicts: list[str]) -> str:
    """The worst of several verdicts; empty when one of them is not known yet."""
    if not verdicts or "" in verdicts:
        return ""
    return max(verdicts, key=rank)


def of_files(files: Iterable[Artifact]) -> dict[str, Report]:
    """The report that counts, of each blob."""
    digests = {artifact.blob_id for artifact in files}
    found = Report.objects.filter(blob__in=digests, policy=F("blob__policy"))
    return {report.blob_id: report for report in found}


def main_file(files: Iterable[Artifact]) -> Artifact | None:
    """The largest upload: configs and embeddings ride along with a checkpoint. Of shards it is what
    they are together."""
    told = list(files)
    joined = [artifact for artifact in told if artifact.details.get("joined")]
    uploads = [artifact for artifact in told if artifact.role == ArtifactRole.UPLOAD]
    return max(joined or uploads, key=lambda artifact: artifact.blob.size, default=None)


def describe(version: Version) -> None:
    """Repeat on the version, and on its model, what its main file was found to be."""
    files = list(
        version.artifacts.filter(role=ArtifactRole.UPLOAD).select_related("blob").order_by("pk")
    )
    version.verdict = worst([artifact.blob.verdict for artifact in files])
    main = main_file(version.artifacts.select_related("blob"))
    report = main.blob.report() if main else None
    identity: dict[str, Any] = (report.data.get("identity") or {}) if report else {}
    kind = identity.get("kind") or Kind.UNKNOWN
    version.kind = kind if kind in Kind.values else Kind.UNKNOWN
    version.base = (identity.get("base") or "")[:32]
    version.precision = (identity.get("precision") or "")[:12]
    # What the file itself says counts where the uploader said nothing.
    version.trigger_words = version.trigger_words or _trigger_words(identity)
    version.save(update_fields=["verdict", "kind", "base", "precision", "trigger_words"])
    _name_embeddings(files)
    published = Version.objects.filter(model=version.model_id, stage=Stage.PUBLISHED)
    # What is on the shelf is not described by something that nobody has approved.
    if not published.exclude(pk=version.pk).exists():
        describe_model(version)


def _name_embeddings(files: Iterable[Artifact]) -> None:
    """Note by which word prompts call those files that are embeddings."""
    by_blob = {artifact.blob_id: artifact for artifact in files}
    kinds = Report.objects.filter(blob__in=by_blob, policy=F("blob__policy"))
    for blob, kind in kinds.values_list("blob", "data__identity__kind"):
        artifact = by_blob[blob]
        word = names.prompt_word(artifact.name) if kind == Kind.EMBEDDING else ""
        if artifact.prompt_word != word:
            Artifact.objects.filter(pk=artifact.pk).update(prompt_word=word)


def _trigger_words(identity: dict[str, Any]) -> list[str]:
    """Trigger words out of a file's metadata, within the bounds that a person's have."""
    words = [str(word).strip() for word in identity.get("trigger_words") or ()]
    return [word for word in words if 0 < len(word) <= TRIGGER_WORD_LENGTH][:MOST_TRIGGER_WORDS]


def describe_model(version: Version) -> None:
    """Repeat on the model what ``version`` was found to be."""
    if version.kind != Kind.UNKNOWN:
        Model.objects.filter(pk=version.model_id).update(kind=version.kind, base=version.base)
