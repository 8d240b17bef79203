"""Further files of a version, made here because somebody asked for them."""

from __future__ import annotations

from django.db import models

from registry.models.artifacts import Artifact
from registry.models.catalogue import Version
from registry.models.fields import one_of
from registry.models.people import User
from registry.models.runs import Leased
from registry.states import RunState


class Variant(Leased):
    """One file that is to be made from another, or was: claimed, leased and fenced like a step.
    ``recipe`` is how, in ``options`` as ``recipes.Recipe`` has it; ``key`` names source and recipe,
    so that asking twice makes one file. A row without ``asked_by`` is the pipeline's own."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="variants")
    source = models.ForeignKey(Artifact, on_delete=models.CASCADE, related_name="wanted_variants")
    #: Whose VAE it gets; that file may go once this one is made.
    vae = models.ForeignKey(
        Artifact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    options = models.JSONField(default=dict)
    key = models.CharField(max_length=64)
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="variants"
    )
    artifact = models.OneToOneField(
        Artifact, on_delete=models.CASCADE, null=True, blank=True, related_name="variant"
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            one_of("state", RunState),
            models.UniqueConstraint(fields=["version", "key"], name="variant_once_a_version"),
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="variant_by_state")]

    def __str__(self) -> str:
        return f"variant of version {self.version_id}: {self.state}"
