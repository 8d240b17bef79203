"""Filters and tags for the portal's templates."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.forms import BoundField, CheckboxSelectMultiple, RadioSelect
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from registry.portal.presenters import words

register = template.Library()

register.filter("size", words.size)
register.filter("visible", words.visible)


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of the signs in static/icons.svg; decoration, hidden from screen readers."""
    if not name:
        return SafeString("")
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static("icons.svg"),
        name,
    )


@register.inclusion_tag("portal/_badge.html")
def badge(shown: words.Badge) -> dict[str, words.Badge]:
    return {"badge": shown}


@register.inclusion_tag("portal/_field.html")
def field(bound: BoundField, *, optional: bool | None = None) -> dict[str, object]:
    """A form field with its label, help and errors tied to it. ``optional`` says so beside the
    label; by default where the form does not require it."""
    group = isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple)
    if optional is None:
        optional = not bound.field.required
    return {"field": bound, "is_group": group, "optional": optional}


@register.filter
def when(moment: datetime | None) -> SafeString:
    """A moment as people say it, with the exact one beside it."""
    if moment is None:
        return SafeString("")
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{local:%-d %B %Y, %H:%M} {local.tzname()}",
        words.ago(moment),
    )


@register.filter
def grouped(digest: str) -> str:
    """A digest's beginning and end, in groups of four."""
    return f"{digest[:4]} {digest[4:8]} … {digest[-4:]}"


@register.filter
def counted(number: int, one: str) -> str:
    """``3|counted:"model"`` → "3 models"."""
    return words.counted(number, one)
