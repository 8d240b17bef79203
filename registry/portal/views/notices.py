"""What a person was told."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from registry import notices
from registry.portal.access import members, person
from registry.portal.presenters import notices as notice_view

PAGE = 30


@require_safe
@members
def index(request: HttpRequest) -> HttpResponse:
    user = person(request)
    told = notices.of(user).select_related("version")
    page = Paginator(told, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": notice_view.rows(page.object_list),
        "unread": notices.unread(user),
    }
    return render(request, "portal/notices.html", context)


@require_POST
@members
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark as read, and go to what it is about."""
    notice = notices.read(person(request), pk)
    # Our own path, never an address that somebody sent.
    return redirect(notice.link if notice.link and notice.version_id else "portal:notices")


@require_POST
@members
def read_all(request: HttpRequest) -> HttpResponse:
    notices.read_all(person(request))
    return redirect("portal:notices")
