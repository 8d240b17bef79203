from __future__ import annotations

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "registry"
    verbose_name = "Weighhouse"

    def ready(self) -> None:
        # Our Celery app has to be the current one before anything rings.
        from registry import (
            celery,  # noqa: F401
            checks,  # noqa: F401  registers the system checks
        )
