"""What the caller was told."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from registry import notices
from registry.api.serializers import NoticeOut, ReadOut
from registry.api.views.base import Endpoint, errors, member
from registry.models import Notice
from registry.states import Scope

_UNREAD = OpenApiParameter("unread", bool, description="Those that were not read yet, alone.")


@extend_schema_view(
    get=extend_schema(
        operation_id="notices_list",
        summary="What the caller was told, newest first",
        parameters=[_UNREAD],
        responses={200: NoticeOut(many=True), **errors(400)},
    )
)
class Notices(Endpoint, ListAPIView[Notice]):
    serializer_class = NoticeOut

    def get_queryset(self) -> QuerySet[Notice]:
        if getattr(self, "swagger_fake_view", False):
            return Notice.objects.none()
        told = notices.of(member(self.request))
        if self.request.query_params.get("unread", "").lower() in {"1", "true", "yes"}:
            told = told.filter(read_at=None)
        return told


class ReadNotice(Endpoint):
    # To have read something changes nothing for anybody else.
    scopes = (Scope.READ, Scope.WRITE)

    @extend_schema(
        operation_id="notices_read",
        summary="Mark a notice as read",
        request=None,
        responses={200: NoticeOut, **errors(404)},
    )
    def post(self, request: Request, pk: int) -> Response:
        notice = notices.read(member(request), pk)
        return Response(NoticeOut(notice, context={"request": request}).data)


class ReadNotices(Endpoint):
    scopes = (Scope.READ, Scope.WRITE)

    @extend_schema(
        operation_id="notices_read_all",
        summary="Mark every notice as read",
        request=None,
        responses={200: ReadOut, **errors()},
    )
    def post(self, request: Request) -> Response:
        return Response(ReadOut({"read": notices.read_all(member(request))}).data)
