"""How far a policy has come, and what it changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F

from registry import reports
from registry.models import Artifact, Reinspection
from registry.pipeline import reinspection
from registry.pipeline.reinspection import Progress
from registry.portal.presenters import words
from registry.portal.presenters.words import Badge
from registry.states import RunState

MOST_ROWS = 50


@dataclass(frozen=True, slots=True)
class Changed:
    """A file on which the policy changed the verdict."""

    files: tuple[Artifact, ...]
    digest: str
    was: Badge
    became: Badge
    run: Reinspection


@dataclass(frozen=True, slots=True)
class Failed:
    files: tuple[Artifact, ...]
    digest: str
    why: str
    run: Reinspection


@dataclass(frozen=True, slots=True)
class PolicyView:
    progress: Progress
    title: str
    changed: tuple[Changed, ...]
    failed: tuple[Failed, ...]


def view() -> PolicyView:
    progress = reinspection.progress()
    done = Reinspection.objects.filter(policy=progress.policy, state=RunState.DONE)
    changed = sorted(
        done.exclude(was=F("became")).order_by("-finished_at")[: 4 * MOST_ROWS],
        key=lambda run: reports.rank(run.was) - reports.rank(run.became),
    )[:MOST_ROWS]
    given_up = list(reinspection.failed(progress.policy)[:MOST_ROWS])
    files = _files([*changed, *given_up])
    return PolicyView(
        progress=progress,
        title=title(progress),
        changed=tuple(
            Changed(
                files=files.get(run.blob_id, ()),
                digest=run.blob_id,
                was=words.verdict(run.was),
                became=words.verdict(run.became),
                run=run,
            )
            for run in changed
        ),
        failed=tuple(
            Failed(
                files=files.get(run.blob_id, ()),
                digest=run.blob_id,
                why=why(run),
                run=run,
            )
            for run in given_up
        ),
    )


def why(run: Reinspection) -> str:
    parts = (run.error_code, run.error_detail)
    return words.visible(": ".join(part for part in parts if part))


def title(progress: Progress) -> str:
    if not progress.policy:
        return "The policy is not known yet"
    if progress.under_way:
        return f"Inspecting again: {progress.done:,} of {words.counted(progress.total, 'file')}"
    if progress.failed:
        return f"{words.counted(progress.failed, 'file')} could not be inspected again"
    if progress.total == 1:
        return "The one file is inspected under this policy"
    return f"All {words.counted(progress.total, 'file')} are inspected under this policy"


def _files(runs: Iterable[Reinspection]) -> dict[str, tuple[Artifact, ...]]:
    digests = {run.blob_id for run in runs}
    found: dict[str, tuple[Artifact, ...]] = {}
    bearing = Artifact.objects.filter(blob__in=digests).select_related("version__model")
    for artifact in bearing.order_by("pk"):
        found[artifact.blob_id] = (*found.get(artifact.blob_id, ()), artifact)
    return found
