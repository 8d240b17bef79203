"""Who may open a page, and what they are told when something cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect

from registry.errors import UserError
from registry.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

_TITLES = {
    400: "That did not work",
    401: "Sign in first",
    403: "Not allowed",
    404: "Nothing here",
    409: "Not possible now",
    413: "Too large",
    422: "What arrived is not what was announced",
    507: "The disk is full",
}


def person(request: HttpRequest) -> User:
    """The one who is signed in; only called behind ``members`` and the like."""
    return cast(User, request.user)


def everyone(view: View[P]) -> View[P]:
    """Members always, visitors where the site is open to them."""
    return _guarded(view, lambda user: True, visitors=True)


def members(view: View[P]) -> View[P]:
    return _guarded(view, lambda user: True)


def reviewers(view: View[P]) -> View[P]:
    return _guarded(view, lambda user: user.is_reviewer)


def admins(view: View[P]) -> View[P]:
    return _guarded(view, lambda user: user.is_admin)


def _guarded(view: View[P], may: Callable[[User], bool], *, visitors: bool = False) -> View[P]:
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            if not request.user.is_authenticated:
                if not (visitors and settings.WEIGHHOUSE_OPEN):
                    return to_sign_in(request)
            elif not may(person(request)):
                raise UserError("access.denied")
            return view(request, *args, **kwargs)
        except UserError as error:
            return refused(request, error)
        except IntegrityError:
            # Two requests passed the same check; the database let one of them through.
            return refused(request, UserError("conflict"))

    # A page shown to one person must not come out of a shared cache for another.
    return cast(View[P], never_cache(guarded))


def to_sign_in(request: HttpRequest) -> HttpResponseBase:
    if wants_json(request):
        return refused(request, UserError("access.sign_in"))
    sign_in = resolve_url(settings.LOGIN_URL)
    if getattr(request, "htmx", False):
        # A fragment request follows redirects by itself, and would put the form into the page.
        return HttpResponseClientRedirect(sign_in)
    back = request.get_full_path() if request.method == "GET" else "/"
    return redirect_to_login(back, sign_in)


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's own script asks, rather than a browser for a page."""
    return request.headers.get("Accept", "").startswith("application/json")


def refused(request: HttpRequest, error: UserError) -> HttpResponse:
    """The error as a page in the house style, or as JSON for the page's own script."""
    if wants_json(request):
        return JsonResponse({"code": error.code, "detail": error.detail}, status=error.status)
    context = {
        "status": error.status,
        "title": _TITLES.get(error.status, "That did not work"),
        "detail": error.detail,
        "code": error.code,
    }
    return render(request, "portal/refused.html", context, status=error.status)
