"""One version: its files on their way in, its stage, and what people decide."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from registry import catalogue, names, reviews, streams, uploads
from registry.api.permissions import require
from registry.api.serializers import (
    NoteIn,
    UploadedManyOut,
    UploadedOut,
    VersionIn,
    VersionOut,
)
from registry.api.views.base import WHY, Endpoint, errors, member, visible_version, why
from registry.errors import UserError
from registry.models import ApiToken, Artifact, User, Version
from registry.states import Scope


def _shown(request: Request, pk: int, code: int = status.HTTP_200_OK) -> Response:
    version = visible_version(request, pk)
    return Response(VersionOut(version, context={"request": request}).data, code)


class VersionDetail(Endpoint):
    @extend_schema(
        operation_id="versions_read",
        summary="A version: stage, progress, files, pictures, journal",
        responses={200: VersionOut, **errors(404)},
    )
    def get(self, request: Request, pk: int) -> Response:
        return _shown(request, pk)

    @extend_schema(
        operation_id="versions_edit",
        summary="Change a version's name, notes, trigger words or prompts",
        request=VersionIn,
        responses={200: VersionOut, **errors(400, 404, 409)},
    )
    def patch(self, request: Request, pk: int) -> Response:
        version = visible_version(request, pk)
        wanted = VersionIn(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        catalogue.edit_version(version, by=member(request), **wanted.validated_data)
        return _shown(request, pk)

    @extend_schema(
        operation_id="versions_delete",
        summary="Delete a version with its files",
        parameters=[WHY],
        responses={204: None, **errors(404)},
    )
    def delete(self, request: Request, pk: int) -> Response:
        version = visible_version(request, pk)
        _check_acts_as_editor(request, version)
        uploads.delete_version(version, by=member(request), note=why(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _check_acts_as_editor(request: Request, version: Version) -> None:
    """Where owners and reviewers may do the same, a token without "review" does it as an owner."""
    token = request.auth
    if not isinstance(token, ApiToken) or Scope.REVIEW in token.scopes:
        return
    if not catalogue.may_edit(token.user, version.model):
        require(token, Scope.REVIEW)


_QUERY = [
    OpenApiParameter("name", str, description="The file's name, with a raw body."),
    OpenApiParameter("sha256", str, description="What the bytes have to hash to; optional."),
]
_FORM = {
    "type": "object",
    "properties": {
        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "sha256": {"type": "string", "description": "Before the file; for one file only."},
    },
    "required": ["file"],
}


class VersionArtifacts(Endpoint):
    @extend_schema(
        operation_id="artifacts_upload",
        summary="Add a file, or several, to a draft",
        description=(
            "A multipart form with one or more parts `file`, or the bytes themselves as the body "
            "with `?name=`. Bytes stream to the store. A form is taken whole or not at all; one "
            "file answers as an object, several as `artifacts`."
        ),
        parameters=_QUERY,
        request={"multipart/form-data": _FORM, "application/octet-stream": OpenApiTypes.BINARY},
        responses={
            201: PolymorphicProxySerializer(
                "Uploaded", [UploadedOut, UploadedManyOut], resource_type_field_name=None
            ),
            **errors(400, 404, 409, 413, 422, 507),
        },
    )
    def post(self, request: Request, pk: int) -> Response:
        by, version = member(request), visible_version(request, pk)
        uploads.check_may_add(version, by=by)
        # The request underneath: DRF's own would hand the body to a parser.
        body = request._request
        receive = _receive_form if streams.is_form(body) else _receive_raw
        kept = receive(body, version, by)
        if len(kept) == 1:
            return Response(UploadedOut(kept[0]).data, status.HTTP_201_CREATED)
        return Response(UploadedManyOut({"artifacts": kept}).data, status.HTTP_201_CREATED)


def _receive_form(request: HttpRequest, version: Version, by: User) -> list[Artifact]:
    with streams.form(request) as form:
        announced = form.fields.get("sha256") or request.GET.get("sha256", "")
        if len(form.files) == 1:
            uploads.check_digest(form.files[0].incoming, announced)
        arrived = [(file.name, file.incoming) for file in form.files]
        return uploads.keep_all(arrived, version=version, by=by)


def _receive_raw(request: HttpRequest, version: Version, by: User) -> list[Artifact]:
    expected = streams.announced(request)
    if "name" not in request.GET and not expected:
        raise UserError("file.missing")
    artifact = uploads.receive(
        streams.raw(request),
        version=version,
        name=names.checked(request.GET.get("name", "")),
        by=by,
        expected=expected,
        sha256=request.GET.get("sha256", ""),
    )
    return [artifact]


class Submit(Endpoint):
    @extend_schema(
        operation_id="versions_submit",
        summary="Hand a draft in; the pipeline starts",
        request=None,
        responses={202: VersionOut, **errors(404, 409)},
    )
    def post(self, request: Request, pk: int) -> Response:
        uploads.submit(visible_version(request, pk), by=member(request))
        return _shown(request, pk, status.HTTP_202_ACCEPTED)


class _Decision(Endpoint):
    """A move that a person makes, with a note."""

    scopes: tuple[Scope, ...] = (Scope.REVIEW,)

    def decide(self, request: Request, pk: int, use_case: Callable[..., None]) -> Response:
        version = visible_version(request, pk)
        _check_acts_as_editor(request, version)
        wanted = NoteIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        use_case(version, by=member(request), note=wanted.validated_data["note"])
        return _shown(request, pk)


def _described(name: str, summary: str) -> Callable[..., Callable[..., Response]]:
    return extend_schema(
        operation_id=f"versions_{name}",
        summary=summary,
        request=NoteIn,
        responses={200: VersionOut, **errors(400, 404, 409)},
    )


class Publish(_Decision):
    @_described("publish", "Approve: the clean files become servable")
    def post(self, request: Request, pk: int) -> Response:
        return self.decide(request, pk, reviews.publish)


class Reject(_Decision):
    @_described("reject", "Refuse, with a reason")
    def post(self, request: Request, pk: int) -> Response:
        return self.decide(request, pk, reviews.reject)


class Changes(_Decision):
    @_described("changes", "Return to the uploader as a draft, with a reason")
    def post(self, request: Request, pk: int) -> Response:
        return self.decide(request, pk, reviews.ask_for_changes)


class Withdraw(_Decision):
    # An owner may as well; the use case looks at the person.
    scopes = (Scope.REVIEW, Scope.WRITE)

    @_described("withdraw", "Stop serving a published version, with a reason")
    def post(self, request: Request, pk: int) -> Response:
        return self.decide(request, pk, reviews.withdraw)


class Retry(_Decision):
    scopes = (Scope.REVIEW, Scope.WRITE)

    @_described("retry", "Start again: a held step, or what was refused or withdrawn")
    def post(self, request: Request, pk: int) -> Response:
        token, version = request.auth, visible_version(request, pk)
        # What was refused comes back by a reviewer's word, not by that of an owner who is one.
        if isinstance(token, ApiToken) and version.stage in reviews.REFUSED:
            require(token, Scope.REVIEW)
        return self.decide(request, pk, reviews.retry)
