"""The doorbell: ``celery -A registry.celery worker -Q inspect,convert,smoke,mail``."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
app = Celery("weighhouse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["registry.pipeline"])

# The embedded broker is a folder, and does not make it itself.
for _option in ("data_folder_in", "control_folder"):
    if _folder := settings.CELERY_BROKER_TRANSPORT_OPTIONS.get(_option):
        Path(_folder).mkdir(parents=True, exist_ok=True)
