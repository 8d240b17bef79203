"""Bytes: downloads, evidence, pictures. Whether they may leave is asked of ``serving``."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

from registry import catalogue, downloads, serving
from registry.errors import UserError
from registry.models import Preview
from registry.portal.access import everyone, person, reviewers


@require_safe
@everyone
def download(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """The number decides which file it is; ``name``, which of its two names it has."""
    return downloads.respond(request, serving.authorise(request.user, pk), name=name)


@require_POST
@reviewers
def evidence(request: HttpRequest, pk: int) -> HttpResponseBase:
    return downloads.respond(request, serving.evidence(person(request), pk), evidence=True)


@require_safe
@everyone
def preview(request: HttpRequest, pk: int, size: str) -> HttpResponseBase:
    picture = (
        Preview.objects.select_related("small", "medium", "full")
        .filter(pk=pk, version__in=catalogue.visible_versions(request.user))
        .first()
    )
    if picture is None or size not in {"small", "medium", "full"}:
        raise UserError("not_found")
    return downloads.preview(request, picture, cast(downloads.PreviewSize, size))
