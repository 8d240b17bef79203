"""What people are told."""

from __future__ import annotations

from django.db import models

from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.models.people import User
from registry.states import NoticeKind


class Notice(models.Model):
    """One thing that one person is told. ``subject`` names what it is about when the row itself is
    gone; ``link`` is a path on this site, or empty where the person could not follow it."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=NoticeKind.choices)
    version = models.ForeignKey(
        Version, on_delete=models.SET_NULL, null=True, blank=True, related_name="notices"
    )
    subject = models.CharField(max_length=255)
    text = models.TextField()
    #: The reason, in the words of a person or of the report.
    note = models.TextField(blank=True)
    link = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)
    #: When to send it by e-mail; empty when that was done, or is not wanted.
    mail_due_at = models.DateTimeField(null=True, blank=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [one_of("kind", NoticeKind)]
        indexes = [
            models.Index(fields=["person", "read_at"], name="notice_by_person"),
            models.Index(fields=["mail_due_at"], name="notice_by_mail"),
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.kind}"
