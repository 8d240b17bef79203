"""Lists by cursor: stable while things are added, and as cheap on page 1,000 as on page 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from registry.models import Model

if TYPE_CHECKING:
    # DRF's views import this module, by way of its settings.
    from rest_framework.views import APIView


class Cursor(CursorPagination):
    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering: Any = ("-id",)

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, DjangoValidationError) as error:
            # Not base64, or a position that the ordering's column cannot hold.
            raise ValidationError({"cursor": ["This cursor did not come from a list."]}) from error


#: What ``?ordering=`` takes; the id makes the order of equals stable.
ORDERINGS: Mapping[str, tuple[str, str]] = {
    "-updated": ("-updated_at", "-id"),
    "updated": ("updated_at", "id"),
    "-created": ("-created_at", "-id"),
    "created": ("created_at", "id"),
    "-downloads": ("-downloads", "-id"),
    "downloads": ("downloads", "id"),
    "name": ("name", "id"),
    "-name": ("-name", "-id"),
}


class CatalogueCursor(Cursor):
    """The catalogue's pages, in the order that the caller chooses."""

    def get_ordering(
        self, request: Request, queryset: QuerySet[Model], view: APIView
    ) -> tuple[str, ...]:
        asked = request.query_params.get("ordering", "-updated")
        if asked not in ORDERINGS:
            raise ValidationError({"ordering": [f"Choose one of {', '.join(ORDERINGS)}."]})
        return ORDERINGS[asked]

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        ordering = {
            "name": "ordering",
            "in": "query",
            "required": False,
            "description": "Which to list first.",
            "schema": {"type": "string", "enum": list(ORDERINGS), "default": "-updated"},
        }
        return [*super().get_schema_operation_parameters(view), ordering]
