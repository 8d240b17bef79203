"""The table of steps: what each does to a version, and which stage it leads to.

A step may run twice, and may be cut off anywhere: what it writes on the way is named by content
(reports, blobs), and what it decides is written by ``Claim.finish`` in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings

from registry import blobs, contents, engine, policies, reports, serving, warm
from registry.engine import Drawing
from registry.errors import EngineError
from registry.models import Artifact, Blob, Preview, SmokeTest, Version
from registry.pipeline import making, variants, verdicts
from registry.pipeline.intake import store_file
from registry.pipeline.runs import Outcome
from registry.recipes import Recipe
from registry.states import ArtifactRole, Kind, Stage, Step

Beat = Callable[[int | None, str], None]

SECTION_NAMES = {
    "health": "Checking the weights",
    "hashes": "Hashing",
    "convert": "Copying tensors",
    "digest": "Hashing",
    "smoke": "Drawing",
}


@lru_cache(maxsize=2)
def _policy(minute: int) -> str:
    return engine.policy()


def judges_by(policy: str) -> bool:
    """Whether this worker's engine judges by ``policy``. A new one comes with a new deployment, as
    a rule in a new process: so it is asked once, and again each minute while it disagrees."""
    return policy == _policy(0) or policy == _policy(1 + int(time.monotonic() // 60))


def inspect(version: Version, beat: Beat) -> Outcome:
    """Have every uploaded file read; quarantine the version if any is malicious or unreadable."""
    uploads = _uploads(version)
    for index, artifact in enumerate(uploads):
        report_on(artifact.blob, _part(beat, index, len(uploads)))
    verdict = reports.worst([artifact.blob.verdict for artifact in uploads])
    refused = verdict in verdicts.REFUSED
    return Outcome(
        stages=(Stage.QUARANTINED if refused else Stage.INSPECTED,),
        note=_why(uploads) if refused else "",
        data={"verdict": verdict},
        commit=lambda: reports.describe(version),
    )


def report_on(blob: Blob, progress: engine.Progress) -> None:
    """Make sure that ``blob`` has a report under the policy in force, or this engine's, and a list
    of its tensors."""
    blob.refresh_from_db()
    told = contents.are_told(blob)
    if told and blob.policy and blob.policy in {policies.in_force(), _policy(0)}:
        return
    report = blob.reports.filter(policy=_policy(0)).first() if told else None
    if report is not None:
        verdicts.accept(blob, report.data, seconds=report.seconds)
    else:
        answer = inspected(blob, progress)
        verdicts.accept(blob, answer.data, seconds=answer.seconds)


def inspected(blob: Blob, progress: engine.Progress) -> engine.Answer:
    """What the engine says about ``blob`` now."""
    with blobs.workspace() as folder, blobs.local_copy(blob.digest, folder) as path:
        answer = engine.inspect(path, progress)
    _check_digest(answer.data, blob.digest)
    return answer


def _check_digest(data: Mapping[str, Any], digest: str) -> None:
    if data["hashes"]["sha256"] != digest:
        raise EngineError("blob.damaged", "the stored bytes are not those that were uploaded")


def _why(uploads: list[Artifact]) -> str:
    """The first damning finding of each refused file, in a sentence."""
    reasons = []
    for artifact in uploads:
        report = artifact.blob.report()
        if report is not None and report.verdict in verdicts.REFUSED:
            reasons.append(f"{artifact.name}: {reports.why(report) or report.verdict}")
    return " ".join(reasons)


def convert(version: Version, beat: Beat) -> Outcome:
    """Write a safetensors file for every upload that is not a clean one already."""
    wanted = [(artifact, role) for artifact in _uploads(version) for role in _conversions(artifact)]
    made: list[tuple[Artifact, ArtifactRole, making.Made]] = []
    refused: list[tuple[Artifact, making.Refused]] = []
    for index, (artifact, role) in enumerate(wanted):
        if artifact.derived.filter(role=role).exists():
            continue
        try:
            result = making.make(artifact, _RECIPES[role], _part(beat, index, len(wanted)))
        except making.Refused as error:
            refused.append((artifact, error))
        else:
            made.append((artifact, role, result))

    def commit() -> None:
        for artifact, role, result in made:
            # The engine's child may have been slower than a second one: the first result stands.
            if not artifact.derived.filter(role=role).exists():
                variants.keep(artifact, _RECIPES[role], result, role)
        for artifact, error in refused:
            problem = {"code": error.code, "message": error.message}
            artifact.details = {**artifact.details, "conversion": problem}
            artifact.save(update_fields=["details"])

    note = " ".join(f"{a.name} was not converted: {error.message}" for a, error in refused)
    return Outcome(stages=(Stage.CONVERTED,), note=note.strip(), commit=commit)


#: What is made of uploads without anybody's asking.
_RECIPES: Mapping[ArtifactRole, Recipe] = {
    ArtifactRole.CONVERTED: Recipe(),
    ArtifactRole.REBUILT: Recipe(torch=True),
}


def _conversions(artifact: Artifact) -> Iterator[ArtifactRole]:
    if needs_conversion(artifact):
        yield ArtifactRole.CONVERTED
    # No tool loads a hypernetwork from safetensors.
    if making.kind_of(artifact.blob) == Kind.HYPERNETWORK:
        yield ArtifactRole.REBUILT


def needs_conversion(artifact: Artifact) -> bool:
    """Whether a file cannot be served as it is, but its tensors might be."""
    blob = artifact.blob
    return blob.format in serving.PICKLE_FORMATS or (
        blob.format == "safetensors" and blob.verdict != serving.CLEAN
    )


def smoke(version: Version, beat: Beat) -> Outcome:
    """Generate pictures from the file that people will download; a failure is shown, and a
    person decides."""
    artifact = _to_smoke(version)
    if artifact is None:
        return Outcome(
            stages=(Stage.SMOKE_TESTED, Stage.IN_REVIEW), note="No clean file to generate with."
        )
    with blobs.workspace() as folder, blobs.local_copy(artifact.blob_id, folder) as path:
        # Loaders go by the suffix, and the blob has none.
        model = path.rename(folder / "model.safetensors")
        pictures = folder / "pictures"
        pictures.mkdir()
        drawing = Drawing(model, pictures, device=settings.WEIGHHOUSE_DEVICE)
        answer = warm.smoke(drawing, _part(beat, 0, 1))
        stored = _store_pictures(answer.data, pictures)

    def commit() -> None:
        SmokeTest.objects.update_or_create(
            artifact=artifact,
            defaults={"verdict": answer.data["verdict"], "data": answer.data},
        )
        _replace_previews(version, artifact, stored)

    return Outcome(
        stages=(Stage.SMOKE_TESTED, Stage.IN_REVIEW),
        note=str(answer.data.get("reason") or ""),
        data={"smoke": answer.data["verdict"]},
        commit=commit,
    )


def _to_smoke(version: Version) -> Artifact | None:
    """The largest file that would be served and that pictures can be made with."""
    shown = version.artifacts.filter(role__in=[ArtifactRole.UPLOAD, ArtifactRole.CONVERTED])
    files = [
        artifact
        for artifact in shown.select_related("blob")
        if serving.fit_to_publish(artifact) and artifact.blob.format == "safetensors"
    ]
    return max(files, key=lambda artifact: artifact.blob.size, default=None)


#: A picture's sizes by its position: {"full": (blob, image), …}
_Sizes = dict[str, tuple[Blob, dict[str, Any]]]


def _store_pictures(data: Mapping[str, Any], folder: Path) -> list[_Sizes]:
    """Store what the smoke test drew, grouped by picture, in the order drawn."""
    grouped: dict[object, _Sizes] = {}
    for image in data.get("images", []):
        # The engine's word for a file is a name, never a path.
        path = folder / PurePath(str(image["file"])).name
        key = image.get("picture", (image.get("seed"), image.get("prompt")))
        grouped.setdefault(str(key), {})[image["size"]] = (store_file(path), image)
    return [sizes for sizes in grouped.values() if "full" in sizes]


def _replace_previews(version: Version, artifact: Artifact, pictures: list[_Sizes]) -> None:
    version.previews.all().delete()
    for position, sizes in enumerate(pictures):
        full, image = sizes["full"]
        medium, _ = sizes.get("medium", sizes["full"])
        small, _ = sizes.get("small", (medium, image))
        parameters = image.get("parameters")
        Preview.objects.create(
            version=version,
            artifact=artifact,
            position=position,
            full=full,
            medium=medium,
            small=small,
            width=image["width"],
            height=image["height"],
            prompt=image.get("prompt") or "",
            seed=image.get("seed"),
            parameters=parameters if isinstance(parameters, dict) else {"text": parameters or ""},
        )


def _uploads(version: Version) -> list[Artifact]:
    return list(
        version.artifacts.filter(role=ArtifactRole.UPLOAD)
        .select_related("blob", "version__model")
        .order_by("pk")
    )


def _part(beat: Beat, index: int, count: int) -> engine.Progress:
    """Progress of one file as a share of the whole step. Without a total, the lease is renewed
    and the figure stays."""
    last = 0

    def report(done: int, total: int, what: str) -> None:
        nonlocal last
        if not total:
            beat(None, "")
            return
        share = min(done / total, 1.0)
        last = max(last, int(100 * (index + share) / count))
        beat(last, SECTION_NAMES.get(what, what.capitalize()))

    return report


TABLE: Mapping[str, Callable[[Version, Beat], Outcome]] = {
    Step.INSPECT: inspect,
    Step.CONVERT: convert,
    Step.SMOKE: smoke,
}
