"""What every page knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from registry import catalogue, notices
from registry.models import User

NAME = "Weighhouse"


def site(request: HttpRequest) -> dict[str, Any]:
    # The API and error pages may be rendered before anyone was authenticated.
    user = getattr(request, "user", None)
    person = user if isinstance(user, User) or getattr(user, "is_authenticated", False) else None
    reviewer = bool(person and person.is_reviewer)
    return {
        "house_name": NAME,
        "site_is_open": settings.WEIGHHOUSE_OPEN,
        "may_look": person is not None or settings.WEIGHHOUSE_OPEN,
        "is_reviewer": reviewer,
        "is_admin": bool(person and person.is_admin),
        "waiting": SimpleLazyObject(catalogue.waiting_for_review) if reviewer else 0,
        "unread": SimpleLazyObject(lambda: notices.unread(person)) if person else 0,
        "search_text": request.GET.get("search", ""),
    }
