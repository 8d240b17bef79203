"""People and their roles: for admins."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from registry import people
from registry.errors import UserError
from registry.models import User
from registry.portal.access import admins, person
from registry.portal.forms import PersonForm, RoleForm
from registry.states import Role


def _page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "people": User.objects.annotate(uploads=Count("versions")).order_by("username"),
        "roles": Role.choices,
        "form": PersonForm(),
    } | more
    return render(request, "portal/people.html", context, status=status)


def _somebody(pk: int) -> User:
    user = User.objects.filter(pk=pk).first()
    if user is None:
        raise UserError("not_found")
    return user


@require_safe
@admins
def index(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
@admins
def add(request: HttpRequest) -> HttpResponse:
    """Answers with the page itself: the password is in this one response and nowhere else."""
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _page(request, 422, form=form)
    password = people.one_time_password()
    try:
        added = people.add(**form.cleaned_data, password=password, by=person(request))
    except UserError as error:
        form.add_error("name", error.detail)
        return _page(request, error.status, form=form)
    return _page(request, 201, about=added, secret=password)


@require_POST
@admins
def change_role(request: HttpRequest, pk: int) -> HttpResponse:
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise UserError("field.invalid", detail="There is no such role.")
    return _change(request, _somebody(pk), role=form.cleaned_data["role"])


@require_POST
@admins
def change_active(request: HttpRequest, pk: int) -> HttpResponse:
    return _change(request, _somebody(pk), active=request.POST.get("active") == "1")


def _change(request: HttpRequest, user: User, **what: Any) -> HttpResponse:
    try:
        people.change(user, by=person(request), **what)
    except UserError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"{user.username} was changed.")
    return redirect("portal:people")


@require_POST
@admins
def reset_password(request: HttpRequest, pk: int) -> HttpResponse:
    user = _somebody(pk)
    password = people.one_time_password()
    people.set_password(user, password, by=person(request))
    return _page(request, about=user, secret=password)
