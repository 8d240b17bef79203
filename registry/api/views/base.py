"""What every address of the API has in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from registry import catalogue
from registry.api.parsers import BoundedJSONParser
from registry.api.permissions import HasScope, MemberOrOpenSite
from registry.api.serializers import ErrorOut, NoteIn
from registry.catalogue import Visitor
from registry.errors import UserError
from registry.models import Model, User, Version
from registry.states import Scope


class AnyAccept(DefaultContentNegotiation):
    """JSON, and bytes where bytes are asked for, whatever a client says that it accepts."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class Endpoint(APIView):
    permission_classes: Sequence[type[BasePermission]] = (MemberOrOpenSite, HasScope)
    parser_classes: Sequence[type[BaseParser]] = (BoundedJSONParser,)
    content_negotiation_class = AnyAccept
    #: Which token scopes will do, where it is not "read" to read and "write" to change.
    scopes: tuple[Scope, ...] = ()


def visitor(request: Request) -> Visitor:
    return request.user


def member(request: Request) -> User:
    """Who is asking, on addresses where it has to be somebody."""
    if not isinstance(request.user, User):
        raise UserError("access.sign_in")
    return request.user


def visible_model(request: Request, slug: str) -> Model:
    model = with_seen(catalogue.visible_models(visitor(request)), request).filter(slug=slug).first()
    if model is None:
        raise UserError("not_found")
    return cast(Model, model)


def with_seen(models: Any, request: Request) -> Any:
    """``models`` with what their listing needs, in a fixed number of queries."""
    seen = catalogue.visible_versions(visitor(request))
    return models.select_related("owner").prefetch_related(
        "tags", Prefetch("versions", queryset=seen, to_attr="seen")
    )


def visible_version(request: Request, pk: int) -> Version:
    version = catalogue.visible_versions(visitor(request)).filter(pk=pk).first()
    if version is None:
        raise UserError("not_found")
    return version


#: A deletion has no body to carry its reason.
WHY = OpenApiParameter("note", str, description="Why; the journal keeps it.")


def why(request: Request) -> str:
    note = NoteIn(data={"note": request.query_params.get("note", "")})
    note.is_valid(raise_exception=True)
    return str(note.validated_data["note"])


_MEANING = {
    400: "What was sent cannot be used.",
    401: "Sign in or send a token.",
    403: "Not allowed, or not served now.",
    404: "There is nothing here, or you may not see it.",
    409: "The stage, or something that is there already, forbids it.",
    413: "Larger than this site takes.",
    416: "The range lies outside of the file.",
    422: "The bytes are not what was announced.",
    507: "The disk is full.",
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """For a schema: the given errors and those that every address can answer."""
    return {status: OpenApiResponse(ErrorOut, _MEANING[status]) for status in (*statuses, 401, 403)}
