"""Decisions that people made."""

from __future__ import annotations

from django.db import models

from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.models.people import User


class Decision(models.TextChoices):
    PUBLISH = "publish", "Published"
    REJECT = "reject", "Rejected"
    WITHDRAW = "withdraw", "Withdrawn"
    CHANGES = "changes", "Asked for changes"


class Review(models.Model):
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviews")
    decision = models.CharField(max_length=10, choices=Decision.choices)
    note = models.TextField(blank=True)
    #: The verdict that the reviewer saw.
    verdict = models.CharField(max_length=12, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [one_of("decision", Decision)]

    def __str__(self) -> str:
        return f"{self.decision} by {self.reviewer}"
