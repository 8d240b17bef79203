"""Work under way: claimable, leased, fenced rows."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.artifacts import Blob
from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.states import RunState, Step


class Leased(models.Model):
    """Work that one worker at a time may do. Of all workers only the one that holds ``fence`` may
    write its outcome; the fence grows with every claim, so a dead worker's late result is refused.
    """

    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    #: When the row was last rung for; the sweeper rings again for rows that nobody took up.
    rung_at = models.DateTimeField(null=True, blank=True)
    #: Not before this moment: a failed attempt waits a little longer each time.
    due_at = models.DateTimeField(default=timezone.now)
    worker = models.CharField(max_length=120, blank=True)
    percent = models.PositiveSmallIntegerField(default=0)
    activity = models.CharField(max_length=80, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took, or None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class StepRun(Leased):
    """One step of one version."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="runs")
    step = models.CharField(max_length=8, choices=Step.choices)

    class Meta:
        ordering = ["id"]
        constraints = [
            one_of("step", Step),
            one_of("state", RunState),
            models.UniqueConstraint(
                fields=["version"],
                condition=models.Q(state__in=[RunState.WAITING, RunState.RUNNING]),
                name="one_live_run_a_version",
            ),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="run_by_state")]

    def __str__(self) -> str:
        return f"{self.step} of version {self.version_id}: {self.state}"


class Reinspection(Leased):
    """A blob that is inspected once more, under the policy that is in force now. There are rows for
    what is under way and what is done; the rest of the work is what ``Blob.policy`` says."""

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="reinspections")
    policy = models.CharField(max_length=64)
    #: Made anew even if there is a report under this policy.
    anew = models.BooleanField(default=False)
    #: How often it was broken off for somebody's upload.
    gave_way = models.PositiveSmallIntegerField(default=0)
    was = models.CharField(max_length=12, blank=True)
    became = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            one_of("state", RunState),
            models.UniqueConstraint(fields=["blob", "policy"], name="reinspected_once_a_policy"),
        ]
        indexes = [models.Index(fields=["policy", "state"], name="reinspection_by_state")]

    def __str__(self) -> str:
        return f"{self.blob_id[:12]} under {self.policy}: {self.state}"
