"""Who is asking: an API token, or a portal session."""

from __future__ import annotations

import copy
from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as BaseSession
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from registry.models import ApiToken, User

KEYWORD = "Bearer"
#: ``last_used_at`` is for people to look at; it is not worth a write for each request.
USED_AGAIN = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer wh_…``."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        keyword, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
        if keyword.lower() != KEYWORD.lower():
            return None
        token = ApiToken.find(secret.strip())
        if token is None:
            raise AuthenticationFailed("The token is unknown or has expired.")
        _note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return f'{KEYWORD} realm="weighhouse"'


class SessionAuthentication(BaseSession):
    """The portal's session. The CSRF token is taken from the header alone: to look for it in a form
    would read an upload before anybody has decided about it."""

    def enforce_csrf(self, request: Request | HttpRequest) -> None:
        bare = copy.copy(request._request if isinstance(request, Request) else request)
        bare._post = QueryDict()  # type: ignore[attr-defined]
        bare._files = MultiValueDict()  # type: ignore[attr-defined]
        super().enforce_csrf(bare)  # type: ignore[arg-type]


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USED_AGAIN)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
