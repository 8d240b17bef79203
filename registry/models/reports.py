"""Evidence: what the engine found in a blob. Kept apart from what a person decided."""

from __future__ import annotations

from django.db import models

from registry.models.artifacts import Blob


class Policy(models.Model):
    """A version of the engine's policy. The one that came into force last is in force."""

    name = models.CharField(max_length=64, unique=True)
    in_force_since = models.DateTimeField()

    class Meta:
        ordering = ["-in_force_since", "-id"]
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name


class Report(models.Model):
    """The scanner's report on a digest under one policy, as ``python -m scanner`` printed it."""

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="reports")
    policy = models.CharField(max_length=64)
    verdict = models.CharField(max_length=12)
    data = models.JSONField()
    seconds = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["blob", "policy"], name="report_once_a_policy")
        ]

    def __str__(self) -> str:
        return f"{self.blob_id[:12]}: {self.verdict}"
