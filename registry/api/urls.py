"""Addresses of the API, each with and without a trailing slash."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, include, path, re_path, register_converter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

# Registers what it tells drf-spectacular.
from registry.api import schema  # noqa: F401
from registry.api.views import (
    account,
    artifacts,
    lookup,
    models,
    notices,
    policy,
    smoke,
    variants,
    versions,
)


class SizeConverter:
    regex = "small|medium|full"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(SizeConverter, "picture_size")

_ADDRESSES: tuple[tuple[str, Any, str], ...] = (
    ("models", models.Models, "models"),
    ("models/<slug:slug>", models.ModelDetail, "model"),
    ("models/<slug:slug>/versions", models.ModelVersions, "model-versions"),
    ("versions/<int:pk>", versions.VersionDetail, "version"),
    ("versions/<int:pk>/artifacts", versions.VersionArtifacts, "version-artifacts"),
    ("versions/<int:pk>/submit", versions.Submit, "submit"),
    ("versions/<int:pk>/publish", versions.Publish, "publish"),
    ("versions/<int:pk>/reject", versions.Reject, "reject"),
    ("versions/<int:pk>/changes", versions.Changes, "changes"),
    ("versions/<int:pk>/withdraw", versions.Withdraw, "withdraw"),
    ("versions/<int:pk>/retry", versions.Retry, "retry"),
    ("versions/<int:pk>/redraw", smoke.AskRedraw, "redraw"),
    ("versions/<int:pk>/sheet", smoke.SmokeSheet, "smoke-sheet"),
    ("versions/<int:pk>/variants", variants.VersionVariants, "variants"),
    ("versions/<int:pk>/variants/<int:variant>", variants.VariantDetail, "variant"),
    ("artifacts/<int:pk>", artifacts.ArtifactDetail, "artifact"),
    ("artifacts/<int:pk>/report", artifacts.ArtifactReport, "report"),
    ("artifacts/<int:pk>/tensors", artifacts.ArtifactTensors, "tensors"),
    ("artifacts/<int:pk>/download", artifacts.Download, "download"),
    ("artifacts/<int:pk>/evidence", artifacts.Evidence, "evidence"),
    ("previews/<int:pk>/<picture_size:size>", artifacts.Picture, "preview"),
    ("bases", smoke.Bases, "bases"),
    ("bases/<str:base>", smoke.BaseDetail, "base"),
    ("lookup/<str:hash>", lookup.Lookup, "lookup"),
    ("me", account.Me, "me"),
    ("notices", notices.Notices, "notices"),
    ("notices/read", notices.ReadNotices, "read-notices"),
    ("notices/<int:pk>/read", notices.ReadNotice, "read-notice"),
    ("policy", policy.PolicyProgress, "policy"),
    ("policy/retry", policy.RetryPolicy, "retry-policy"),
)


def _both() -> list[URLPattern]:
    patterns = []
    for address, view, name in _ADDRESSES:
        patterns += [
            path(address, view.as_view(), name=name),
            path(address + "/", view.as_view()),
        ]
    return patterns


app_name = "api"
urlpatterns = [
    path("v1/", include(_both())),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
    re_path("", account.Nothing.as_view()),
]
