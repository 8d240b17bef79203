"""Models and their versions: what people look for."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.urls import reverse
from django.utils import timezone

from registry.models.fields import one_of
from registry.models.people import User
from registry.states import Kind, Stage, Visibility

#: Bounds of ``Version.trigger_words``: how many, and how long each may be.
MOST_TRIGGER_WORDS = 64
TRIGGER_WORD_LENGTH = 200
#: The same of ``Version.prompts``.
MOST_PROMPTS = 4
PROMPT_LENGTH = 500


class Tag(models.Model):
    name = models.SlugField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Model(models.Model):
    """Something that people share under one name, in one or more versions.

    ``kind`` and ``base`` are what the newest inspected version was found to be; until then, what
    the uploader said.
    """

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=140, unique=True)
    summary = models.CharField(max_length=240, blank=True)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.UNKNOWN)
    base = models.CharField(max_length=32, blank=True)
    #: What its uploader says it is: held against what is found, and never changed by that.
    claimed_kind = models.CharField(max_length=20, choices=Kind.choices, blank=True)
    claimed_base = models.CharField(max_length=32, blank=True)
    licence = models.CharField(max_length=80, blank=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="models")
    visibility = models.CharField(
        max_length=10, choices=Visibility.choices, default=Visibility.TEAM
    )
    shared_with = models.ManyToManyField(User, blank=True, related_name="models_shared")
    shared_with_teams = models.ManyToManyField(Group, blank=True, related_name="models_shared")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="models")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Kept when artifacts go: people ask how often a model was fetched.
    downloads = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [one_of("kind", Kind), one_of("visibility", Visibility)]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("portal:model", args=[self.slug])


class Version(models.Model):
    """One release of a model. ``stage`` is written by ``lifecycle.move`` alone.

    ``kind``, ``base``, ``precision`` and ``verdict`` repeat the report of its main file, so that
    the catalogue can be searched by them.
    """

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="versions")
    name = models.CharField(max_length=80)
    notes = models.TextField(blank=True)
    trigger_words = models.JSONField(default=list, blank=True)
    #: What its uploader would have drawn, beside the prompts that all models get.
    prompts = models.JSONField(default=list, blank=True)
    stage = models.CharField(max_length=14, choices=Stage.choices, default=Stage.DRAFT)
    stage_since = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.UNKNOWN)
    base = models.CharField(max_length=32, blank=True)
    precision = models.CharField(max_length=12, blank=True)
    verdict = models.CharField(max_length=12, blank=True)
    #: Why a person is needed, as {"code", "detail", "step"}; empty when nothing is wrong.
    problem = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="versions")
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="version_name_once_a_model"),
            one_of("stage", Stage),
            one_of("kind", Kind),
        ]
        indexes = [models.Index(fields=["stage", "stage_since"], name="version_by_stage")]

    def __str__(self) -> str:
        return f"{self.model.name} {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("portal:version", args=[self.model.slug, self.pk])

    @property
    def is_held(self) -> bool:
        return bool(self.problem)
