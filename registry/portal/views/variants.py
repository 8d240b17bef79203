"""Further files of a version: the form, how far they are, and taking them away."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from registry import variants as use_cases
from registry.errors import UserError
from registry.models import Version
from registry.portal.access import members, person
from registry.portal.presenters import variants as presenter
from registry.portal.presenters.version_page import files_of
from registry.portal.presenters.version_page import page as version_page
from registry.portal.views.versions import visible_version
from registry.recipes import PRECISIONS, WEIGHTS, Recipe


class VariantForm(forms.Form):
    """What may be asked of a file; a field that the page does not show is left as it is."""

    precision = forms.ChoiceField(choices=[(word, word) for word in PRECISIONS], required=False)
    prune = forms.ChoiceField(choices=[(word, word) for word in WEIGHTS], required=False)
    position_ids = forms.BooleanField(required=False)
    torch = forms.BooleanField(required=False)
    vae = forms.IntegerField(required=False, min_value=1)
    source = forms.IntegerField(required=False, min_value=1)

    def recipe(self) -> Recipe:
        said = self.cleaned_data
        return Recipe(
            precision=said["precision"] or "keep",
            prune=bool(said["prune"]),
            weights=said["prune"] or "ema",
            position_ids=said["position_ids"],
            torch=said["torch"],
        )


@require_http_methods(["GET", "HEAD", "POST"])
@members
def variants(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    version = visible_version(request, slug, pk)
    if request.method == "POST":
        return _ask(request, version)
    return _followed(request, version)


def _ask(request: HttpRequest, version: Version) -> HttpResponse:
    form = VariantForm(request.POST)
    try:
        if not form.is_valid():
            raise UserError("field.invalid", detail="That cannot be asked for.")
        said = form.cleaned_data
        row = use_cases.ask(
            version, form.recipe(), by=person(request), source=said["source"], vae=said["vae"]
        )
    except UserError as error:
        if error.status == 403:
            raise
        messages.error(request, error.detail)
    else:
        there = row.artifact is not None
        messages.success(request, "That file is here already." if there else "It will be made.")
    return redirect(f"{version.get_absolute_url()}#variants")


def _followed(request: HttpRequest, version: Version) -> HttpResponse:
    """How far they are, for the page's script: the list alone while something is under way, for the
    form beside it may be open; then all of the page, which has another file."""
    if not getattr(request, "htmx", False):
        return redirect(f"{version.get_absolute_url()}#variants")
    shown = presenter.view(version, files_of(version), request.user)
    if shown is not None and shown.under_way:
        context = {"variants": shown, "version": version}
        return render(request, "portal/version/_variants_rows.html", context)
    page = version_page(version, request.user)
    response = render(request, "portal/version/_body.html", {"page": page})
    response["HX-Retarget"] = "#version"
    response["HX-Reswap"] = "outerHTML"
    return response


@require_POST
@members
def remove(request: HttpRequest, slug: str, pk: int, variant: int) -> HttpResponse:
    version = visible_version(request, slug, pk)
    row = version.variants.filter(pk=variant).first()
    if row is None:
        raise UserError("not_found")
    use_cases.remove(row, by=person(request))
    messages.success(request, "Taken away.")
    return redirect(f"{version.get_absolute_url()}#variants")
