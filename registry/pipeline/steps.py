"""The table of steps: what each does to a version, and which stage it leads to.

A step may run twice, and may be cut off anywhere: what it writes on the way is named by content
(reports, blobs), and what it decides is written by ``Claim.finish`` in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from registry import blobs, contents, engine, policies, reports, serving, shards
from registry.errors import EngineError
from registry.models import Artifact, Blob, Version
from registry.pipeline import drawing, making, variants, verdicts
from registry.pipeline.intake import arrived
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
        report_on(artifact.blob, part(beat, index, len(uploads)))
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
    """What the engine says about ``blob`` now. The first time it is handed the digests that were
    computed on the way in, and checks one of them; later every one is computed anew."""
    known = {} if blob.reports.exists() else arrived(blob)
    known.pop("autov2", None)
    with blobs.workspace() as folder, blobs.local_copy(blob.digest, folder) as path:
        try:
            answer = engine.inspect(path, progress, hashes=known)
        except EngineError as error:
            if error.code != _OTHER_FILE:
                raise
            raise EngineError("blob.damaged", _DAMAGED) from error
    _check_digest(answer.data, blob.digest)
    return answer


_OTHER_FILE = "hashes.other_file"
_DAMAGED = "the stored bytes are not those that were uploaded"


def _check_digest(data: Mapping[str, Any], digest: str) -> None:
    if data["hashes"]["sha256"] != digest:
        raise EngineError("blob.damaged", _DAMAGED)


def _why(uploads: list[Artifact]) -> str:
    """The first damning finding of each refused file, in a sentence."""
    reasons = []
    for artifact in uploads:
        report = artifact.blob.report()
        if report is not None and report.verdict in verdicts.REFUSED:
            reasons.append(f"{artifact.name}: {reports.why(report) or report.verdict}")
    return " ".join(reasons)


class _Job(NamedTuple):
    """A file to make of ``source``, or of all the ``parts`` that it is the first of."""

    source: Artifact
    role: ArtifactRole
    parts: tuple[Artifact, ...] = ()

    def do(self, progress: engine.Progress) -> making.Made:
        if self.parts:
            return making.join(self.parts, progress)
        return making.make(self.source, _RECIPES[self.role], progress)

    @property
    def is_done(self) -> bool:
        return self.source.derived.filter(role=self.role).exists()


def convert(version: Version, beat: Beat) -> Outcome:
    """Write a safetensors file for every upload that is not a clean one already, and one for all
    the shards of a model."""
    wanted = list(_jobs(_uploads(version)))
    made: list[tuple[_Job, making.Made]] = []
    refused: list[tuple[Artifact, making.Refused]] = []
    for index, job in enumerate(wanted):
        if job.is_done:
            continue
        try:
            made.append((job, job.do(part(beat, index, len(wanted)))))
        except making.Refused as error:
            refused.append((job.source, error))

    def commit() -> None:
        for job, result in made:
            # The engine's child may have been slower than a second one: the first result stands.
            if not job.is_done:
                variants.keep(job.source, _RECIPES[job.role], result, job.role)
        for artifact, error in refused:
            problem = {"code": error.code, "message": error.message}
            artifact.details = {**artifact.details, "conversion": problem}
            artifact.save(update_fields=["details"])
        if any(job.parts for job, _ in made):
            # What the parts are together is what the version is.
            reports.describe(version)

    note = " ".join(f"{a.name} was not converted: {error.message}" for a, error in refused)
    return Outcome(stages=(Stage.CONVERTED,), note=note.strip(), commit=commit)


def _jobs(uploads: list[Artifact]) -> Iterator[_Job]:
    sets = shards.complete(uploads)
    parts = {artifact.pk for found in sets for artifact in found}
    for found in sets:
        yield _Job(found[0], ArtifactRole.CONVERTED, tuple(found))
    for artifact in uploads:
        if artifact.pk not in parts:
            for role in _conversions(artifact):
                yield _Job(artifact, role)


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
    artifact = drawing.subject(version)
    if artifact is None:
        return Outcome(
            stages=(Stage.SMOKE_TESTED, Stage.IN_REVIEW), note="No clean file to generate with."
        )
    drawn = drawing.draw(artifact, part(beat, 0, 1))
    return Outcome(
        stages=(Stage.SMOKE_TESTED, Stage.IN_REVIEW),
        note=drawn.reason,
        data={"smoke": drawn.verdict},
        commit=lambda: drawing.keep(version, drawn),
    )


def _uploads(version: Version) -> list[Artifact]:
    return list(
        version.artifacts.filter(role=ArtifactRole.UPLOAD)
        .select_related("blob", "version__model")
        .order_by("pk")
    )


def part(beat: Beat, index: int, count: int) -> engine.Progress:
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
