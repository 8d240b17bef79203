"""The review queue."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry import catalogue
from registry.pipeline import reinspection
from registry.portal.access import reviewers
from registry.portal.presenters import queue as queue_view

PAGE = 50


@require_safe
@reviewers
def queue(request: HttpRequest) -> HttpResponse:
    chosen = request.GET.get("show", "")
    chosen = chosen if chosen in queue_view.FILTERS else ""
    everything = catalogue.review_queue()
    shown = queue_view.filtered(everything, chosen).prefetch_related("previews")
    page = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    context = {
        "progress": reinspection.progress(),
        "page": page,
        "rows": queue_view.rows(page.object_list),
        "tabs": queue_view.tabs(everything, chosen),
        "query_without_page": f"show={chosen}" if chosen else "",
    }
    return render(request, "portal/review.html", context)
