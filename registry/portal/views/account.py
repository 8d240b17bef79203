"""A person's own page: profile, password, tokens, uploads."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from registry import people
from registry.errors import UserError
from registry.models import Version
from registry.portal.access import members, person
from registry.portal.forms import OwnPasswordForm, ProfileForm, SignInForm, TokenForm
from registry.portal.presenters import shelf

RECENT = 20


def _page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    user = person(request)
    recent = Version.objects.filter(created_by=user).select_related("model")
    context = {
        "profile_form": ProfileForm(instance=user),
        "password_form": OwnPasswordForm(user),
        "token_form": TokenForm(by=user),
        "tokens": user.tokens.all(),
        "uploads": [shelf.work_row(v) for v in recent.prefetch_related("runs")[:RECENT]],
    } | more
    return render(request, "portal/account.html", context, status=status)


class SignIn(LoginView):
    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if form.has_error("__all__", "sign_in.too_often"):
            response.status_code = 429
        return response


@require_safe
@members
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
@members
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST, instance=person(request))
    if not form.is_valid():
        return _page(request, 422, profile_form=form)
    form.save()
    messages.success(request, "Saved.")
    return redirect("portal:account")


@require_POST
@members
def password(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = OwnPasswordForm(user, request.POST)
    if not form.is_valid():
        return _page(request, 422, password_form=form)
    people.set_password(user, form.cleaned_data["new_password1"], by=user)
    # This session goes on; every other one ends.
    update_session_auth_hash(request, user)
    messages.success(request, "The password was changed.")
    return redirect("portal:account")


@require_POST
@members
def add_token(request: HttpRequest) -> HttpResponse:
    """Answers with the page itself: the secret is in this one response and nowhere else."""
    user = person(request)
    form = TokenForm(request.POST, by=user)
    if not form.is_valid():
        return _page(request, 422, token_form=form)
    token, secret = people.issue_token(user, by=user, **form.cleaned_data)
    return _page(request, 201, new_token=token, secret=secret)


@require_POST
@members
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    user = person(request)
    token = user.tokens.filter(pk=pk).first()
    if token is None:
        raise UserError("not_found")
    people.revoke_token(token, by=user)
    messages.success(request, f"“{token.name}” was revoked.")
    return redirect("portal:account")
