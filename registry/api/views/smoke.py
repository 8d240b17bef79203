"""The smoke test: bases, the contact sheet, and making it once more."""

from __future__ import annotations

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from registry import bases, downloads, redraws, serving
from registry.api.permissions import require
from registry.api.serializers import VersionOut
from registry.api.smoke import BaseIn, BaseOut
from registry.api.views.base import Endpoint, errors, member, visible_version
from registry.errors import UserError
from registry.models import ApiToken, SmokeTest
from registry.states import Scope


class Bases(Endpoint):
    """Reading needs "read", setting "review"."""

    @extend_schema(
        operation_id="bases_list",
        summary="On which checkpoints add-ons are shown; for reviewers and admins",
        responses={200: BaseOut(many=True), **errors()},
    )
    def get(self, request: Request) -> Response:
        if not member(request).is_reviewer:
            raise UserError("access.denied")
        return Response(BaseOut(bases.all_set(), many=True).data)

    @extend_schema(
        operation_id="bases_set",
        summary="Have add-ons shown on this checkpoint",
        description=(
            "For the base that the file was found to be of, in the place of any other. What was "
            "skipped for want of one is drawn by itself."
        ),
        request=BaseIn,
        responses={200: BaseOut, **errors(400, 404, 409)},
    )
    def post(self, request: Request) -> Response:
        by = member(request)
        if isinstance(request.auth, ApiToken):
            require(request.auth, Scope.REVIEW)
        wanted = BaseIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        artifact = serving.visible_artifact(by, wanted.validated_data["artifact"])
        return Response(BaseOut(bases.set_base(artifact, by=by)).data)


class BaseDetail(Endpoint):
    scopes = (Scope.REVIEW,)

    @extend_schema(
        operation_id="bases_unset",
        summary="Have add-ons for this base shown on nothing; pictures that there are stay",
        responses={204: None, **errors(404)},
    )
    def delete(self, request: Request, base: str) -> Response:
        bases.unset(base, by=member(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class AskRedraw(Endpoint):
    scopes = (Scope.REVIEW,)

    @extend_schema(
        operation_id="versions_redraw",
        summary="Make the smoke test once more; the version stays where it is",
        request=None,
        responses={202: VersionOut, **errors(404, 409)},
    )
    def post(self, request: Request, pk: int) -> Response:
        redraws.ask(visible_version(request, pk), by=member(request))
        version = visible_version(request, pk)
        shown = VersionOut(version, context={"request": request}).data
        return Response(shown, status.HTTP_202_ACCEPTED)


class SmokeSheet(Endpoint):
    @extend_schema(
        operation_id="versions_sheet",
        summary="All pictures of the smoke test with captions, on one",
        responses={(200, "image/webp"): OpenApiTypes.BINARY, **errors(404)},
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        version = visible_version(request, pk)
        found = SmokeTest.objects.select_related("sheet").filter(
            artifact__version=version, sheet__isnull=False
        )
        test = found.first()
        if test is None or test.sheet is None:
            raise UserError("not_found")
        return downloads.picture_bytes(request._request, test.sheet)
