"""What is said on a version's page about its being inspected once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry import policies
from registry.models import Artifact, Version
from registry.pipeline import reinspection
from registry.portal.presenters import policy as policy_view
from registry.portal.presenters import words
from registry.states import EventKind, RunState, Stage

_REFUSED = frozenset({"malicious", "unreadable"})


@dataclass(frozen=True, slots=True)
class Again:
    """``state``: due, running, failed, stopped or cleared; ``tone`` as a badge's."""

    state: str
    tone: str
    text: str
    note: str = ""
    percent: int | None = None


def view(version: Version, artifacts: Sequence[Artifact], *, insider: bool) -> Again | None:
    """None where there is nothing to say. Why something failed is for those who work on it."""
    policy = policies.in_force()
    judged = [artifact for artifact in artifacts if artifact.blob.policy]
    stale = {artifact.blob_id for artifact in judged if policy != artifact.blob.policy}
    rows = list(reinspection.of_blobs(artifact.blob_id for artifact in judged))
    failed = [row for row in rows if row.state == RunState.FAILED]
    if failed and insider:
        return Again("failed", "warn", _FAILED, policy_view.why(failed[0]))
    live = [row for row in rows if row.state != RunState.FAILED]
    if policy and (stale or live):
        running = next((row for row in live if row.state == RunState.RUNNING), None)
        state = "running" if running else "due"
        text = _OLD if stale else _ANEW
        return Again(state, "quiet", text, percent=running.percent if running else None)
    return _stopped(version) if insider else None


_FAILED = "It could not be inspected under the present policy. The earlier verdict stands."
_OLD = "Inspected under an earlier policy; being inspected again. Until then this verdict stands."
_ANEW = "Being inspected again. Until then this verdict stands."


def _stopped(version: Version) -> Again | None:
    if version.stage not in {Stage.WITHDRAWN, Stage.QUARANTINED}:
        return None
    move = version.events.filter(kind=EventKind.MOVED, to=version.stage).first()
    if move is None or move.actor_id is not None:
        return None
    verdicts = set(version.artifacts.values_list("blob__verdict", flat=True))
    if version.stage == Stage.QUARANTINED and not verdicts & {*_REFUSED, ""}:
        return Again("cleared", "good", _CLEARED)
    if not move.data.get("policy"):
        return None
    what = "Withdrawn" if version.stage == Stage.WITHDRAWN else "Put into quarantine"
    return Again("stopped", "bad", f"{what} when it was inspected again.", words.visible(move.note))


_CLEARED = (
    "Inspected again: what put it into quarantine is no longer found. It stays here until a "
    "reviewer has it inspected anew."
)
