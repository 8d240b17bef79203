"""Work under way: a claimable, leased, fenced row for each step of a version."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.states import RunState, Step


class StepRun(models.Model):
    """One step of one version. Of all workers only the one that holds ``fence`` may write its
    outcome; the fence grows with every claim, so a dead worker's late result is refused."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="runs")
    step = models.CharField(max_length=8, choices=Step.choices)
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

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took, or None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
