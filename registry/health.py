"""Whether this process is alive, and whether it can do its work."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, JsonResponse

from registry import blobs


def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and scratch can be written, else 503 with what is wrong."""
    problems = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        problems["database"] = type(error).__name__
    try:
        blobs.scratch()
    except OSError as error:
        problems["scratch"] = error.strerror or type(error).__name__
    body = {"status": "unready", "problems": problems} if problems else {"status": "ready"}
    return JsonResponse(body, status=503 if problems else 200)
