"""The catalogue: models and their versions' beginnings."""

from __future__ import annotations

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from registry import catalogue, uploads
from registry.api.filters import ModelFilter
from registry.api.pagination import CatalogueCursor
from registry.api.serializers import (
    ModelChange,
    ModelIn,
    ModelOut,
    VersionBrief,
    VersionIn,
    VersionOut,
)
from registry.api.views.base import (
    WHY,
    Endpoint,
    errors,
    member,
    visible_model,
    visitor,
    why,
    with_seen,
)
from registry.models import Model, Version


@extend_schema_view(
    get=extend_schema(
        operation_id="models_list",
        summary="Search the catalogue",
        responses={200: ModelOut(many=True), **errors(400)},
    )
)
class Models(Endpoint, ListAPIView[Model]):
    serializer_class = ModelOut
    pagination_class = CatalogueCursor
    filter_backends = (DjangoFilterBackend,)
    filterset_class = ModelFilter

    def get_queryset(self) -> QuerySet[Model]:
        if getattr(self, "swagger_fake_view", False):
            return Model.objects.none()
        found: QuerySet[Model] = with_seen(
            catalogue.visible_models(visitor(self.request)), self.request
        )
        return found

    @extend_schema(
        operation_id="models_create",
        summary="Make a model",
        request=ModelIn,
        responses={201: ModelOut, **errors(400, 409)},
    )
    def post(self, request: Request) -> Response:
        wanted = ModelIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        model = catalogue.create_model(by=member(request), **wanted.validated_data)
        shown = ModelOut(model, context={"request": request})
        return Response(shown.data, status.HTTP_201_CREATED)


class ModelDetail(Endpoint):
    @extend_schema(
        operation_id="models_read",
        summary="A model and its versions",
        responses={200: ModelOut, **errors(400, 404)},
    )
    def get(self, request: Request, slug: str) -> Response:
        return self._shown(request, slug)

    @extend_schema(
        operation_id="models_edit",
        summary="Change a model",
        request=ModelChange,
        responses={200: ModelOut, **errors(400, 404)},
    )
    def patch(self, request: Request, slug: str) -> Response:
        model = visible_model(request, slug)
        wanted = ModelChange(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        catalogue.edit_model(model, by=member(request), **wanted.validated_data)
        return self._shown(request, slug)

    @extend_schema(
        operation_id="models_delete",
        summary="Delete a model with every version",
        parameters=[WHY],
        responses={204: None, **errors(400, 404)},
    )
    def delete(self, request: Request, slug: str) -> Response:
        model = visible_model(request, slug)
        uploads.delete_model(model, by=member(request), note=why(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, request: Request, slug: str) -> Response:
        return Response(ModelOut(visible_model(request, slug), context={"request": request}).data)


@extend_schema_view(
    get=extend_schema(
        operation_id="versions_list",
        summary="A model's versions",
        responses={200: VersionBrief(many=True), **errors(400, 404)},
    )
)
class ModelVersions(Endpoint, ListAPIView[Version]):
    serializer_class = VersionBrief

    def get_queryset(self) -> QuerySet[Version]:
        if getattr(self, "swagger_fake_view", False):
            return Version.objects.none()
        model = visible_model(self.request, self.kwargs["slug"])
        return catalogue.visible_versions(visitor(self.request)).filter(model=model)

    @extend_schema(
        operation_id="versions_create",
        summary="Begin a version",
        request=VersionIn,
        responses={201: VersionOut, **errors(400, 404, 409)},
    )
    def post(self, request: Request, slug: str) -> Response:
        model = visible_model(request, slug)
        wanted = VersionIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        version = catalogue.create_version(model, by=member(request), **wanted.validated_data)
        shown = VersionOut(version, context={"request": request})
        return Response(shown.data, status.HTTP_201_CREATED)
