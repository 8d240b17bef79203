"""Every address of the site."""

from __future__ import annotations

from django.urls import include, path

from registry import health

urlpatterns = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("api/", include("registry.api.urls")),
    path("", include("registry.portal.urls")),
]
