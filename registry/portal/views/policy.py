"""The policy in force, and how far every file has been inspected under it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from registry.pipeline import reinspection
from registry.portal.access import person, reviewers
from registry.portal.presenters import policy as policy_view
from registry.portal.presenters import words


@require_safe
@reviewers
def index(request: HttpRequest) -> HttpResponse:
    template = "portal/policy.html"
    if getattr(request, "htmx", False):
        template = "portal/_policy.html"
    return render(request, template, {"policy": policy_view.view()})


@require_POST
@reviewers
def retry(request: HttpRequest) -> HttpResponse:
    count = reinspection.retry(by=person(request))
    messages.success(request, f"{words.counted(count, 'file')} will be inspected again.")
    return redirect("portal:policy")
