"""Every error of the API as ``{"code", "detail", …}``, whoever raised it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import IntegrityError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from registry.errors import MESSAGES, EngineError, UserError

log = structlog.get_logger(__name__)

#: DRF's own errors → our codes.
_CODES: Mapping[type[Exception], str] = {
    exceptions.NotAuthenticated: "access.sign_in",
    exceptions.AuthenticationFailed: "access.token",
    exceptions.PermissionDenied: "access.denied",
    exceptions.NotFound: "not_found",
    exceptions.ParseError: "request.malformed",
    exceptions.MethodNotAllowed: "request.method",
    exceptions.UnsupportedMediaType: "request.media_type",
    exceptions.NotAcceptable: "request.not_acceptable",
    exceptions.Throttled: "request.throttled",
}


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The exception handler of every view (``REST_FRAMEWORK["EXCEPTION_HANDLER"]``)."""
    set_rollback()
    if isinstance(error, Http404):
        error = UserError("not_found")
    elif isinstance(error, DjangoPermissionDenied):
        error = UserError("access.denied")
    if isinstance(error, UserError):
        return _answer(error.status, error.code, error.detail, error.params)
    if isinstance(error, exceptions.APIException):
        return _from_framework(error)
    if isinstance(error, RequestDataTooBig):
        return _answer(413, "request.too_large", "The body is longer than this address takes.")
    if isinstance(error, IntegrityError):
        # Two requests passed the same check; the database let one of them through.
        return _answer(MESSAGES["conflict"][0], "conflict", MESSAGES["conflict"][1])
    return _ours(error, context)


def _from_framework(error: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    code = _CODES.get(type(error), "request.refused")
    detail = str(error.detail)
    if code == "access.denied" and detail.startswith("CSRF"):
        code = "access.csrf"
    if code in {"access.sign_in", "access.denied", "access.csrf", "not_found"}:
        detail = MESSAGES[code][1]
    return _answer(error.status_code, code, detail, headers=headers)


def _invalid(error: exceptions.ValidationError) -> Response:
    """``fields`` has what is wrong with each; ``detail`` says the first of them in a sentence."""
    fields = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
    name, reasons = next(iter(fields.items()))
    return _answer(400, "field.invalid", f"{name}: {_first(reasons)}", {"fields": fields})


def _first(reasons: Any) -> str:
    while isinstance(reasons, (list, dict)) and reasons:
        reasons = next(iter(reasons.values() if isinstance(reasons, dict) else reasons))
    return str(reasons)


def _ours(error: Exception, context: dict[str, Any]) -> Response:
    view, request = context.get("view"), context.get("request")
    log.error("request.failed", view=type(view).__name__, exc_info=error)
    got_request_exception.send(sender=type(view), request=request)
    code = error.code if isinstance(error, EngineError) else "server.error"
    return _answer(500, code, "Something went wrong on our side. It has been noted.")


def _answer(
    status: int,
    code: str,
    detail: str,
    more: Mapping[str, Any] | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    return Response({**(more or {}), "code": code, "detail": detail}, status, headers=headers)
