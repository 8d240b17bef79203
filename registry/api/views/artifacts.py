"""One file: its report, its bytes, its pictures."""

from __future__ import annotations

from typing import cast

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from registry import catalogue, contents, downloads, naming, reports, serving, tensors, uploads
from registry.api.serializers import ArtifactOut, TensorsIn, TensorsOut
from registry.api.views.base import Endpoint, errors, member, visitor
from registry.downloads import PreviewSize
from registry.errors import UserError
from registry.models import Preview, TensorList
from registry.states import Scope

_BYTES = {
    (200, "application/octet-stream"): OpenApiTypes.BINARY,
    (206, "application/octet-stream"): OpenApiTypes.BINARY,
    304: OpenApiResponse(None, "The caller has these bytes."),
    412: OpenApiResponse(None, "The file is not the one of If-Match."),
    416: OpenApiResponse(None, "The range lies outside of the file."),
}


class ArtifactDetail(Endpoint):
    @extend_schema(
        operation_id="artifacts_read", summary="A file", responses={200: ArtifactOut, **errors(404)}
    )
    def get(self, request: Request, pk: int) -> Response:
        artifact = serving.visible_artifact(visitor(request), pk)
        return Response(ArtifactOut(artifact, context={"request": request}).data)

    @extend_schema(
        operation_id="artifacts_delete",
        summary="Take a file off a draft",
        responses={204: None, **errors(404, 409)},
    )
    def delete(self, request: Request, pk: int) -> Response:
        by = member(request)
        uploads.remove_artifact(serving.visible_artifact(by, pk), by=by)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ArtifactReport(Endpoint):
    @extend_schema(
        operation_id="artifacts_report",
        summary="The scanner's report",
        responses={200: OpenApiTypes.OBJECT, **errors(404)},
    )
    def get(self, request: Request, pk: int) -> Response:
        artifact = serving.visible_artifact(visitor(request), pk)
        report = artifact.blob.report()
        if report is None:
            raise UserError("report.pending")
        shown = reports.shown(report, name=artifact.name)
        found = naming.conflicts(artifact, report.data)
        return Response(shown | {"naming": {"conflicts": [item._asdict() for item in found]}})


class ArtifactTensors(Endpoint):
    @extend_schema(
        operation_id="artifacts_tensors",
        summary="The file's tensors, by component",
        description="Read off the inspection; the file is not opened for it.",
        parameters=[TensorsIn],
        responses={200: TensorsOut, **errors(400, 404)},
    )
    def get(self, request: Request, pk: int) -> Response:
        artifact = serving.visible_artifact(visitor(request), pk)
        asked = TensorsIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        kept = TensorList.objects.filter(blob=artifact.blob_id).defer("packed").first()
        if kept is None:
            raise UserError("tensors.pending" if artifact.blob.policy else "report.pending")
        said = dict(asked.validated_data)
        cursor, limit = said.pop("cursor"), said.pop("limit")
        rows = contents.tensors(artifact.blob_id)
        found = tensors.grouped(tensors.narrowed(rows, tensors.Query(**said)))
        shown = found[cursor : cursor + limit]
        more = cursor + limit if cursor + limit < len(found) else None
        answer = {
            "total": kept.total,
            "left_out": kept.left_out,
            "found": len(found),
            "components": tensors.components(rows),
            "dtypes": tensors.dtypes(rows),
            "next": _next(request, more),
            "results": [row._asdict() for row in shown],
        }
        return Response(TensorsOut(answer).data)


def _next(request: Request, cursor: int | None) -> str | None:
    if cursor is None:
        return None
    return str(replace_query_param(request.build_absolute_uri(), "cursor", str(cursor)))


class Download(Endpoint):
    @extend_schema(
        operation_id="artifacts_download",
        summary="The bytes: ETag, Range, If-Range",
        parameters=[
            OpenApiParameter(
                "name", str, description="The version's `naming.names[].suggested`, to save it as."
            )
        ],
        responses={**_BYTES, **errors(404)},
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        artifact = serving.authorise(visitor(request), pk)
        name = request.query_params.get("name", "")
        return downloads.respond(request._request, artifact, name=name)

    @extend_schema(exclude=True)
    def head(self, request: Request, pk: int) -> HttpResponseBase:
        return self.get(request, pk)


class Evidence(Endpoint):
    scopes = (Scope.REVIEW,)

    @extend_schema(
        operation_id="artifacts_evidence",
        summary="The bytes as evidence, whatever the verdict; reviewers, journalled",
        request=None,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, **errors(404)},
    )
    # Not GET: each time is written into the journal.
    def post(self, request: Request, pk: int) -> HttpResponseBase:
        artifact = serving.evidence(member(request), pk)
        return downloads.respond(request._request, artifact, evidence=True)


class Picture(Endpoint):
    @extend_schema(
        operation_id="previews_read",
        summary="A picture that the smoke test made",
        responses={(200, "image/webp"): OpenApiTypes.BINARY, **errors(404)},
    )
    def get(self, request: Request, pk: int, size: str) -> HttpResponseBase:
        seen = catalogue.visible_versions(visitor(request))
        picture = (
            Preview.objects.select_related("small", "medium", "full")
            .filter(pk=pk, version__in=seen)
            .first()
        )
        if picture is None:
            raise UserError("not_found")
        return downloads.preview(request._request, picture, cast(PreviewSize, size))
