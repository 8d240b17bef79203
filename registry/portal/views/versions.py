"""A version's page, and what people decide on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import catalogue, reviews, uploads
from registry.errors import UserError
from registry.models import User, Version
from registry.portal.access import everyone, members, person, wants_json
from registry.portal.forms import NoteForm, VersionForm
from registry.portal.presenters import tensors as tensors_view
from registry.portal.presenters.version_page import files_of
from registry.portal.presenters.version_page import page as version_page


def visible_version(request: HttpRequest, slug: str, pk: int) -> Version:
    version = catalogue.visible_versions(request.user).filter(pk=pk, model__slug=slug).first()
    if version is None:
        raise UserError("not_found")
    return version


@require_safe
@everyone
def version(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    shown = visible_version(request, slug, pk)
    page = version_page(shown, request.user, request.GET)
    return render(request, "portal/version.html", {"page": page})


@require_safe
@everyone
def tensors(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What the tensor browser found, for its script; others get the whole page."""
    shown = visible_version(request, slug, pk)
    if not getattr(request, "htmx", False):
        return redirect(f"{shown.get_absolute_url()}?{request.GET.urlencode()}#tensors")
    found = tensors_view.view(files_of(shown), request.GET)
    context = {"version": shown, "tensors": found}
    return render(request, "portal/version/_tensors_found.html", context)


@require_safe
@everyone
def live(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The rail alone while only a percentage changes; the whole page's inside once more has."""
    shown = version_page(visible_version(request, slug, pk), request.user)
    if request.GET.get("mark") == shown.rail.mark:
        return render(request, "portal/version/_rail.html", {"page": shown})
    response = render(request, "portal/version/_body.html", {"page": shown})
    response["HX-Retarget"] = "#version"
    response["HX-Reswap"] = "outerHTML"
    return response


def _publish(version: Version, by: User, note: str) -> None:
    reviews.publish(version, by=by, note=note)


def _reject(version: Version, by: User, note: str) -> None:
    reviews.reject(version, by=by, note=note)


def _changes(version: Version, by: User, note: str) -> None:
    reviews.ask_for_changes(version, by=by, note=note)


def _withdraw(version: Version, by: User, note: str) -> None:
    reviews.withdraw(version, by=by, note=note)


def _retry(version: Version, by: User, note: str) -> None:
    reviews.retry(version, by=by, note=note)


def _submit(version: Version, by: User, note: str) -> None:
    uploads.submit(version, by=by)


class Act(NamedTuple):
    do: Callable[[Version, User, str], None]
    done: str


ACTS: Mapping[str, Act] = {
    "publish": Act(_publish, "Published. It can be downloaded now."),
    "reject": Act(_reject, "Rejected. The uploader will read why."),
    "changes": Act(_changes, "Returned to its uploader as a draft."),
    "withdraw": Act(_withdraw, "Withdrawn. It is no longer served."),
    "retry": Act(_retry, "It starts again."),
    "submit": Act(_submit, "Handed in. You can watch it here."),
}


@require_POST
@members
def act(request: HttpRequest, slug: str, pk: int, action: str) -> HttpResponse:
    if action not in ACTS:
        raise Http404
    shown = visible_version(request, slug, pk)
    try:
        ACTS[action].do(shown, person(request), NoteForm.said(request.POST))
    except UserError as error:
        if error.status == 403 or wants_json(request):
            raise
        messages.error(request, error.detail)
    else:
        # The page's script goes to the page by itself, and finds the message there.
        messages.success(request, ACTS[action].done)
    if wants_json(request):
        return JsonResponse({"page": shown.get_absolute_url()})
    return redirect(shown)


@require_POST
@members
def delete(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    shown = visible_version(request, slug, pk)
    uploads.delete_version(shown, by=person(request), note=NoteForm.said(request.POST))
    messages.success(request, f"{shown} was deleted.")
    remaining = catalogue.visible_models(request.user).filter(slug=slug).first()
    return redirect(remaining or "portal:catalogue")


@require_http_methods(["GET", "HEAD", "POST"])
@members
def edit(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    shown = visible_version(request, slug, pk)
    if not catalogue.may_edit(request.user, shown.model):
        raise UserError("access.denied")
    form = VersionForm.of(shown, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            catalogue.edit_version(shown, by=person(request), **form.cleaned_data)
        except UserError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, "Saved.")
            return redirect(shown)
    context = {"version": shown, "form": form}
    return render(request, "portal/edit_version.html", context, status=422 if form.errors else 200)


@require_POST
@members
def remove_file(request: HttpRequest, slug: str, pk: int, artifact: int) -> HttpResponse:
    shown = visible_version(request, slug, pk)
    file = shown.artifacts.filter(pk=artifact).first()
    if file is None:
        raise UserError("not_found")
    uploads.remove_artifact(file, by=person(request))
    messages.success(request, f"{file.name} was taken off.")
    return redirect(shown)
