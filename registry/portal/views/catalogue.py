"""The catalogue and a model's page."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import catalogue, uploads
from registry.errors import UserError
from registry.models import Model, User
from registry.portal.access import everyone, members, person
from registry.portal.forms import EntryForm, NoteForm
from registry.portal.markdown import render as render_markdown
from registry.portal.presenters import shelf, words
from registry.portal.presenters.pictures import telling

PAGE = 24


@require_safe
@everyone
def index(request: HttpRequest) -> HttpResponse:
    shown = catalogue.published(catalogue.visible_models(request.user))
    found = catalogue.search(shown, request.GET.get("search", ""), user=request.user)
    sort = request.GET.get("sort", "")
    sort = sort if sort in shelf.SORTS else "newest"
    chosen = shelf.chosen(request.GET)
    models = shelf.narrowed(found, chosen).distinct().order_by(*shelf.SORTS[sort][1])
    page = Paginator(shelf.with_versions(models), PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "cards": shelf.cards(page.object_list),
        "facets": shelf.facets(found, request.GET),
        "is_narrowed": bool(chosen) or bool(request.GET.get("search")),
        "sorts": [(key, label, key == sort) for key, (label, _) in shelf.SORTS.items()],
        "kept": [(k, v) for k, v in request.GET.items() if k not in {"search", "sort", "page"}],
        "query_without_page": shelf.without(request.GET, "page"),
        "query_without_search": shelf.without(request.GET, "page", "search"),
        "total": shown.count(),
        "work": shelf.work(request.user) if isinstance(request.user, User) else (),
    }
    return render(request, "portal/catalogue.html", context)


def visible_model(request: HttpRequest, slug: str) -> Model:
    model = catalogue.visible_models(request.user).filter(slug=slug).first()
    if model is None:
        raise UserError("not_found")
    return model


@require_safe
@everyone
def model(request: HttpRequest, slug: str) -> HttpResponse:
    entry = visible_model(request, slug)
    versions = (
        catalogue.visible_versions(request.user)
        .filter(model=entry)
        .prefetch_related("previews", "runs", "artifacts__blob")
    )
    context = {
        "model": entry,
        "what": words.what(entry.kind, entry.base),
        "hue": shelf.hue(entry),
        "description": render_markdown(entry.description),
        "versions": [shelf.work_row(version) for version in versions],
        "pictures": telling(p for version in versions for p in version.previews.all())[:4],
        "may_edit": catalogue.may_edit(request.user, entry),
    }
    return render(request, "portal/model.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@members
def edit_model(request: HttpRequest, slug: str) -> HttpResponse:
    entry = visible_model(request, slug)
    if not catalogue.may_edit(request.user, entry):
        raise UserError("access.denied")
    form = EntryForm.of(entry, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            catalogue.edit_model(entry, by=person(request), **form.cleaned_data)
        except UserError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, "Saved.")
            return redirect(entry)
    context = {"model": entry, "form": form}
    return render(request, "portal/edit_model.html", context, status=422 if form.errors else 200)


@require_POST
@members
def delete_model(request: HttpRequest, slug: str) -> HttpResponse:
    entry = visible_model(request, slug)
    uploads.delete_model(entry, by=person(request), note=NoteForm.said(request.POST))
    messages.success(request, f"{entry.name} was deleted.")
    return redirect("portal:catalogue")
