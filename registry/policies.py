"""Which version of the engine's policy is in force. The engine itself is asked elsewhere."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from registry.models import Policy


def in_force() -> str:
    """The name of the policy that counts; empty before the engine was first asked."""
    return Policy.objects.values_list("name", flat=True).first() or ""


@transaction.atomic
def put_in_force(name: str) -> bool:
    """From now on ``name`` counts, also if it did once before. Whether that is a change."""
    if name == in_force():
        return False
    Policy.objects.update_or_create(name=name, defaults={"in_force_since": timezone.now()})
    return True
