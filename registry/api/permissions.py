"""What a caller may use at all; what they may do with one thing is the use case's to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from registry.errors import UserError
from registry.models import ApiToken, User
from registry.states import Scope

if TYPE_CHECKING:
    # DRF's views import this module, by way of its settings.
    from rest_framework.views import APIView


class MemberOrOpenSite(BasePermission):
    """People who are signed in; visitors may read where the site is open to them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.user, User):
            return True
        return bool(settings.WEIGHHOUSE_OPEN) and request.method in SAFE_METHODS


def require(token: ApiToken, *scopes: Scope) -> None:
    """``UserError("token.scope")`` unless the token has one of them."""
    if not set(scopes) & set(token.scopes):
        raise UserError("token.scope", scope=scopes[0].value)


class HasScope(BasePermission):
    """A token needs one of the view's ``scopes``: by default "read" to read, "write" to change.

    A session acts with everything that the person may do.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return True
        default = (Scope.READ,) if request.method in SAFE_METHODS else (Scope.WRITE,)
        require(token, *(getattr(view, "scopes", ()) or default))
        return True
