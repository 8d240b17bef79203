"""What happened: kept even when what it happened to is gone."""

from __future__ import annotations

from django.db import models

from registry.models.artifacts import Artifact
from registry.models.catalogue import Model, Version
from registry.models.fields import one_of
from registry.models.people import User
from registry.states import EventKind


class Event(models.Model):
    """One line of the journal. ``subject`` names what it is about when the row itself is gone;
    an event without an actor was the pipeline's doing."""

    kind = models.CharField(max_length=10, choices=EventKind.choices)
    model = models.ForeignKey(
        Model, on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    version = models.ForeignKey(
        Version, on_delete=models.SET_NULL, null=True, blank=True, related_name="events"
    )
    subject = models.CharField(max_length=255)
    actor = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    was = models.CharField(max_length=14, blank=True)
    to = models.CharField(max_length=14, blank=True)
    note = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [one_of("kind", EventKind)]

    def __str__(self) -> str:
        return f"{self.subject}: {self.kind}"


class Download(models.Model):
    """One completed hand-over of an artifact's bytes."""

    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="download_log")
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="download_log"
    )
    evidence = models.BooleanField(default=False)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.artifact} by {self.user}"
