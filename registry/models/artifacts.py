"""Files: an artifact is a name in a version, a blob the bytes behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.models.people import User
from registry.states import ArtifactRole

if TYPE_CHECKING:
    from registry.models.reports import Report


class Blob(models.Model):
    """Bytes, named by their sha256 and stored once. ``verdict`` and ``format`` repeat the report
    that counts, which is the one under ``policy``; all three are empty until there is one."""

    digest = models.CharField(max_length=64, primary_key=True)
    size = models.PositiveBigIntegerField()
    verdict = models.CharField(max_length=12, blank=True)
    format = models.CharField(max_length=16, blank=True)
    policy = models.CharField(max_length=64, blank=True, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"sha256:{self.digest[:12]}"

    def report(self) -> Report | None:
        """The report that counts; an older policy's until the new one's is made."""
        return self.reports.filter(policy=self.policy).first()


class BlobHash(models.Model):
    """One of the six ways in which the field names a file: sha256, blake3, crc32, autov1–3."""

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="hashes")
    kind = models.CharField(max_length=8)
    value = models.CharField(max_length=64, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["blob", "kind"], name="blob_hash_once_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


class Artifact(models.Model):
    """A file of a version."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="artifacts")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="artifacts")
    role = models.CharField(
        max_length=10, choices=ArtifactRole.choices, default=ArtifactRole.UPLOAD
    )
    name = models.CharField(max_length=255)
    #: Of an uploaded embedding: what prompts call it by, as ``names.prompt_word`` writes it.
    prompt_word = models.CharField(max_length=255, blank=True, db_index=True)
    derived_from = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="derived"
    )
    #: How a converted file came to be: what was dropped, which engine wrote it.
    details = models.JSONField(default=dict, blank=True)
    uploaded_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="artifacts"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    downloads = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            one_of("role", ArtifactRole),
            models.UniqueConstraint(
                fields=["version", "name"], name="artifact_name_once_a_version"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def verdict(self) -> str:
        return self.blob.verdict


class Preview(models.Model):
    """A picture that the smoke test made, in three sizes, with what made it."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="previews")
    artifact = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="previews")
    position = models.PositiveSmallIntegerField()
    #: What it shows: the model, the base without the add-on, or what a VAE was given.
    role = models.CharField(max_length=10, default="model")
    strength = models.FloatField(null=True, blank=True)
    #: Pictures of one group belong side by side.
    group = models.PositiveSmallIntegerField(default=1)
    full = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    medium = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    small = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    medium_width = models.PositiveIntegerField(default=0)
    small_width = models.PositiveIntegerField(default=0)
    prompt = models.TextField(blank=True)
    seed = models.BigIntegerField(null=True)
    #: Steps, guidance, sampler, size: what WebUI calls the parameters.
    parameters = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["artifact", "position"], name="preview_once_a_position")
        ]

    def __str__(self) -> str:
        return f"picture {self.position} of {self.version_id}"
