"""Further files of a version, made here: asked for, followed, taken away."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from registry import catalogue, variants
from registry.api.permissions import require
from registry.api.variants import VariantIn, VariantOut
from registry.api.views.base import Endpoint, errors, member, visible_version
from registry.errors import UserError
from registry.models import ApiToken, Variant, Version
from registry.states import RunState, Scope


class _Variants(Endpoint):
    """An owner's token needs "write" to change something, a reviewer's "review" as well."""

    def version(self, request: Request, pk: int) -> Version:
        """The version, for somebody who works on it."""
        version = visible_version(request, pk)
        by = member(request)
        editor = catalogue.may_edit(by, version.model)
        if not (by.is_reviewer or editor):
            raise UserError("access.denied")
        token = request.auth
        if isinstance(token, ApiToken) and not editor and request.method not in ("GET", "HEAD"):
            require(token, Scope.REVIEW)
        return version

    def variant(self, request: Request, pk: int, variant: int) -> Variant:
        found = self.version(request, pk).variants.select_related("asked_by").filter(pk=variant)
        row = found.first()
        if row is None:
            raise UserError("not_found")
        return row


class VersionVariants(_Variants):
    @extend_schema(
        operation_id="variants_list",
        summary="What was made of a version's files, and is being made",
        responses={200: VariantOut(many=True), **errors(404)},
    )
    def get(self, request: Request, pk: int) -> Response:
        rows = self.version(request, pk).variants.select_related("asked_by")
        return Response(VariantOut(rows, many=True, context={"request": request}).data)

    @extend_schema(
        operation_id="variants_ask",
        summary="Have another file made of an upload",
        description=(
            "Made by the convert queue, inspected, and added to the version's files: servable as "
            "they are. The same options twice answer with the same row (200 once it is made)."
        ),
        request=VariantIn,
        responses={200: VariantOut, 202: VariantOut, **errors(400, 404, 409)},
    )
    def post(self, request: Request, pk: int) -> Response:
        version = self.version(request, pk)
        wanted = VariantIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        row = variants.ask(
            version,
            wanted.recipe(),
            by=member(request),
            source=wanted.validated_data["artifact"],
            vae=wanted.validated_data["vae"],
        )
        code = status.HTTP_200_OK if row.state == RunState.DONE else status.HTTP_202_ACCEPTED
        return Response(VariantOut(row, context={"request": request}).data, code)


class VariantDetail(_Variants):
    @extend_schema(
        operation_id="variants_read",
        summary="How far a variant is",
        responses={200: VariantOut, **errors(404)},
    )
    def get(self, request: Request, pk: int, variant: int) -> Response:
        row = self.variant(request, pk, variant)
        return Response(VariantOut(row, context={"request": request}).data)

    @extend_schema(
        operation_id="variants_delete",
        summary="Cancel a variant, or take its file away",
        responses={204: None, **errors(404)},
    )
    def delete(self, request: Request, pk: int, variant: int) -> Response:
        variants.remove(self.variant(request, pk, variant), by=member(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
