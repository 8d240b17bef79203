"""The smoke test: what came of it, what it is made with, and making it once more."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.artifacts import Artifact, Blob
from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.models.people import User
from registry.models.runs import Leased
from registry.states import RunState


class SmokeTest(models.Model):
    """What came of generating a picture with an artifact."""

    artifact = models.OneToOneField(Artifact, on_delete=models.CASCADE, related_name="smoke_test")
    verdict = models.CharField(max_length=8)  # passed, warned, failed, skipped
    data = models.JSONField()
    #: The base model that it was shown on, or that lent it parts.
    base = models.ForeignKey(
        Artifact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    #: The base ("sd1") that it would have needed, or needs another one of.
    wants = models.CharField(max_length=32, blank=True, db_index=True)
    #: All pictures with captions, on one.
    sheet = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sheet_width = models.PositiveIntegerField(default=0)
    sheet_height = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.artifact}: {self.verdict}"


class SmokeBase(models.Model):
    """The checkpoint on which add-ons for one base are shown, and that lends missing parts. It
    serves as long as anybody may download it."""

    base = models.CharField(max_length=32, unique=True)
    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="base_for")
    set_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["base"]

    def __str__(self) -> str:
        return f"{self.base}: {self.artifact}"


class Redraw(Leased):
    """A version whose smoke test is made once more, without moving it: claimed, leased and fenced
    like a step. A row without ``asked_by`` is the pipeline's own, for a base that there is now."""

    version = models.OneToOneField(Version, on_delete=models.CASCADE, related_name="redraw")
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    #: How often it was broken off for somebody's upload.
    gave_way = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [one_of("state", RunState)]
        indexes = [models.Index(fields=["state", "lease_until"], name="redraw_by_state")]

    def __str__(self) -> str:
        return f"pictures of version {self.version_id}: {self.state}"
