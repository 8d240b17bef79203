"""The smoke test: drawing it again, its contact sheet, and the base models."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry import bases as use_cases
from registry import downloads, redraws, serving
from registry.errors import UserError
from registry.models import SmokeTest, Version
from registry.portal.access import everyone, person, reviewers
from registry.portal.presenters import bases as bases_view
from registry.portal.presenters import pictures, words
from registry.portal.presenters.version_page import page as version_page
from registry.portal.views.versions import visible_version


@require_http_methods(["GET", "HEAD", "POST"])
@everyone
def smoke(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    version = visible_version(request, slug, pk)
    return _ask(request, version) if request.method == "POST" else _followed(request, version)


def _ask(request: HttpRequest, version: Version) -> HttpResponse:
    if not request.user.is_authenticated:
        raise UserError("access.sign_in")
    try:
        redraws.ask(version, by=person(request))
    except UserError as error:
        if error.status == 403:
            raise
        messages.error(request, error.detail)
    else:
        messages.success(request, "It will be drawn again.")
    return redirect(f"{version.get_absolute_url()}#smoke")


def _followed(request: HttpRequest, version: Version) -> HttpResponse:
    """The part alone while it is drawn again, for the page's script; then all of the page."""
    if not getattr(request, "htmx", False):
        return redirect(f"{version.get_absolute_url()}#smoke")
    shown = pictures.view(version, request.user)
    if shown is not None and shown.redrawing is not None:
        context = {"smoke": shown, "version": version}
        return render(request, "portal/version/_smoke.html", context)
    page = version_page(version, request.user)
    response = render(request, "portal/version/_body.html", {"page": page})
    response["HX-Retarget"] = "#version"
    response["HX-Reswap"] = "outerHTML"
    return response


@require_safe
@everyone
def sheet(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    version = visible_version(request, slug, pk)
    found = SmokeTest.objects.select_related("sheet").filter(
        artifact__version=version, sheet__isnull=False
    )
    test = found.first()
    if test is None or test.sheet is None:
        raise UserError("not_found")
    return downloads.picture_bytes(request, test.sheet)


@require_http_methods(["GET", "HEAD", "POST"])
@reviewers
def bases(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "portal/bases.html", bases_view.view())
    wanted = request.POST.get("artifact", "")
    try:
        number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else 0
        artifact = serving.visible_artifact(request.user, number)
        row = use_cases.set_base(artifact, by=person(request))
    except UserError as error:
        messages.error(request, error.detail)
    else:
        messages.success(
            request, f"Add-ons for {words.base(row.base)} are shown on {artifact.version} now."
        )
    return redirect("portal:bases")


@require_POST
@reviewers
def unset_base(request: HttpRequest) -> HttpResponse:
    base = request.POST.get("base", "")
    try:
        use_cases.unset(base, by=person(request))
    except UserError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"No model stands for {words.base(base)} any more.")
    return redirect("portal:bases")
