"""Constraints that several tables share."""

from __future__ import annotations

from django.db import models


def one_of(field: str, choices: type[models.TextChoices]) -> models.CheckConstraint:
    """A check that ``field`` holds one of the stored words, kept by the database itself."""
    return models.CheckConstraint(
        name=f"%(class)s_{field}_known", condition=models.Q(**{f"{field}__in": choices.values})
    )
