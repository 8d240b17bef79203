"""The shapes of the smoke test: its result, bases, and making it once more."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from registry.models import Artifact, Redraw, SmokeBase, SmokeTest, Version
from registry.pipeline import bases as pipeline
from registry.states import RunState, SmokeVerdict


class BriefFileOut(serializers.ModelSerializer[Artifact]):
    """A file, and where it belongs."""

    version = serializers.IntegerField(source="version_id", read_only=True)
    version_name = serializers.CharField(source="version.name", read_only=True)
    model = serializers.CharField(source="version.model.slug", read_only=True)
    sha256 = serializers.CharField(source="blob_id", read_only=True)

    class Meta:
        model = Artifact
        fields = ("id", "name", "sha256", "version", "version_name", "model")
        read_only_fields = fields


class CheckOut(serializers.Serializer[Any]):
    """One question about the model or its pictures."""

    name = serializers.CharField()
    outcome = serializers.ChoiceField(choices=SmokeVerdict.choices)
    message = serializers.CharField(allow_blank=True)
    value = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)


class SheetOut(serializers.Serializer[Any]):
    """All pictures with captions, on one."""

    url = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class RedrawOut(serializers.Serializer[Any]):
    """The test being made once more; its version stays where it is."""

    state = serializers.ChoiceField(choices=RunState.choices)
    percent = serializers.IntegerField()
    activity = serializers.CharField(allow_blank=True)


class SmokeOut(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=SmokeVerdict.choices)
    code = serializers.CharField(
        allow_null=True, help_text="Why it was skipped or went no further."
    )
    reason = serializers.CharField(allow_null=True)
    artifact = serializers.IntegerField(help_text="The file that was tested.")
    base = serializers.SerializerMethodField(
        help_text="The checkpoint on which it was shown, or that lent it parts."
    )
    wants_base = serializers.CharField(
        allow_null=True, help_text="It is drawn by itself once there is a base for this."
    )
    device = serializers.CharField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    made_at = serializers.DateTimeField()
    checks = CheckOut(many=True)
    sheet = SheetOut(allow_null=True)
    redraw = RedrawOut(allow_null=True)

    @extend_schema_field(BriefFileOut(allow_null=True))
    def get_base(self, told: dict[str, Any]) -> Any:
        return BriefFileOut(told["base"]).data if told["base"] else None


def smoke_of(version: Version, request: Request) -> Any:
    """What the API tells of a version's smoke test; None before there is one."""
    tests = SmokeTest.objects.select_related("base__version__model")
    test = tests.filter(artifact__version=version).order_by("-created_at").first()
    if test is None:
        return None
    data = test.data
    sheet = None
    if test.sheet_id:
        address = request.build_absolute_uri(reverse("api:smoke-sheet", args=[version.pk]))
        sheet = {"url": address, "width": test.sheet_width, "height": test.sheet_height}
    keys = ("name", "outcome", "message", "value", "threshold")
    told = {
        "verdict": test.verdict,
        "code": data.get("code"),
        "reason": data.get("reason"),
        "artifact": test.artifact_id,
        "base": test.base,
        "wants_base": test.wants or None,
        "device": data.get("device"),
        "seconds": data.get("seconds"),
        "made_at": test.created_at,
        "checks": [{key: check.get(key) for key in keys} for check in data.get("checks") or ()],
        "sheet": sheet,
        "redraw": Redraw.objects.filter(version=version).first(),
    }
    return SmokeOut(told).data


class BaseIn(serializers.Serializer[Any]):
    artifact = serializers.IntegerField(
        min_value=1, help_text="A whole checkpoint in safetensors, of a published version."
    )


class BaseOut(serializers.ModelSerializer[SmokeBase]):
    """Which checkpoint add-ons for one base are shown on."""

    artifact = BriefFileOut(read_only=True)
    set_by = serializers.SerializerMethodField(help_text="Null where the command line did.")
    serves = serializers.SerializerMethodField(help_text="False while it is not published.")

    class Meta:
        model = SmokeBase
        fields = ("base", "artifact", "serves", "set_by", "set_at")
        read_only_fields = fields

    def get_set_by(self, row: SmokeBase) -> str | None:
        return row.set_by.username if row.set_by else None

    def get_serves(self, row: SmokeBase) -> bool:
        return pipeline.serves(row.artifact)
