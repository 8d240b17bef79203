"""From a hash, in any of the six kinds that are in use, to the files that bear it."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView

from registry import catalogue
from registry.api.serializers import FoundOut
from registry.api.views.base import Endpoint, errors, visitor
from registry.models import Artifact, BlobHash

_HEX = frozenset("0123456789abcdef")


@extend_schema_view(
    get=extend_schema(
        operation_id="lookup",
        summary="Files by hash: sha256, blake3, crc32, AutoV1, AutoV2 or AutoV3",
        responses={200: FoundOut(many=True), **errors(400)},
    )
)
class Lookup(Endpoint, ListAPIView[Artifact]):
    serializer_class = FoundOut

    def get_queryset(self) -> QuerySet[Artifact]:
        if getattr(self, "swagger_fake_view", False):
            return Artifact.objects.none()
        value = str(self.kwargs["hash"]).lower()
        if not 8 <= len(value) <= 64 or not set(value) <= _HEX:
            raise ValidationError({"hash": ["Eight to 64 hexadecimal digits."]})
        # A file that was not inspected yet is known by the name of its blob alone.
        bears = Exists(BlobHash.objects.filter(blob=OuterRef("blob"), value=value))
        return Artifact.objects.filter(
            Q(bears) | Q(blob_id=value),
            version__in=catalogue.visible_versions(visitor(self.request)),
        ).select_related("blob", "version__model")
