"""The shapes of variants, in and out."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.models import Variant
from registry.recipes import PRECISIONS, WEIGHTS, Recipe
from registry.states import RunState


class VariantIn(serializers.Serializer[Any]):
    precision = serializers.ChoiceField(choices=PRECISIONS, default="keep")
    prune = serializers.BooleanField(default=False)
    weights = serializers.ChoiceField(
        choices=WEIGHTS, default="ema", help_text="Which UNet pruning keeps."
    )
    fix = serializers.ListField(
        child=serializers.ChoiceField(choices=("position-ids",)), default=list, max_length=1
    )
    format = serializers.ChoiceField(
        choices=("safetensors", "pt"),
        default="safetensors",
        help_text="pt: a torch file that we write, of hypernetworks, embeddings and VAEs.",
    )
    vae = serializers.IntegerField(
        min_value=1, allow_null=True, default=None, help_text="The artifact whose VAE is put in."
    )
    artifact = serializers.IntegerField(
        min_value=1, allow_null=True, default=None, help_text="The upload to make it of."
    )

    def recipe(self) -> Recipe:
        said = self.validated_data
        return Recipe(
            precision=said["precision"],
            prune=said["prune"],
            weights=said["weights"],
            position_ids="position-ids" in said["fix"],
            torch=said["format"] == "pt",
        )


class VariantOptionsOut(serializers.Serializer[Any]):
    precision = serializers.CharField()
    prune = serializers.BooleanField()
    weights = serializers.CharField(allow_null=True, help_text="Null where nothing is pruned.")
    fix = serializers.ListField(child=serializers.CharField())
    format = serializers.CharField()
    vae = serializers.CharField(allow_null=True, help_text="The sha256 of whose VAE is put in.")


class VariantProblemOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class VariantOut(serializers.ModelSerializer[Variant]):
    state = serializers.ChoiceField(
        choices=RunState.choices,
        read_only=True,
        help_text="failed: see `problem`; asking again tries again.",
    )
    options = serializers.SerializerMethodField()
    said = serializers.SerializerMethodField(help_text="The options in words.")
    made_of = serializers.IntegerField(source="source_id", read_only=True)
    artifact = serializers.IntegerField(
        source="artifact_id", read_only=True, allow_null=True, help_text="The file, once made."
    )
    asked_by = serializers.SerializerMethodField(help_text="Null where the pipeline made it.")
    problem = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Variant
        fields = (
            "id", "state", "percent", "activity", "options", "said", "made_of", "artifact",
            "asked_by", "problem", "created_at", "finished_at", "url",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(VariantOptionsOut)
    def get_options(self, variant: Variant) -> dict[str, object]:
        recipe = Recipe.of_json(variant.options)
        return {
            "precision": recipe.precision,
            "prune": recipe.prune,
            "weights": recipe.weights if recipe.prune else None,
            "fix": ["position-ids"] if recipe.position_ids else [],
            "format": "pt" if recipe.torch else "safetensors",
            "vae": recipe.vae or None,
        }

    def get_said(self, variant: Variant) -> str:
        return Recipe.of_json(variant.options).said

    def get_asked_by(self, variant: Variant) -> str | None:
        return variant.asked_by.username if variant.asked_by else None

    @extend_schema_field(VariantProblemOut(allow_null=True))
    def get_problem(self, variant: Variant) -> dict[str, str] | None:
        if not variant.error_code:
            return None
        return {"code": variant.error_code, "detail": variant.error_detail}

    def get_url(self, variant: Variant) -> str:
        address = reverse("api:variant", args=[variant.version_id, variant.pk])
        return str(self.context["request"].build_absolute_uri(address))
