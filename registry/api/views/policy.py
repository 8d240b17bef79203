"""The policy in force, and the re-inspection that a new one brings."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.serializers import PolicyProgressOut
from registry.api.views.base import Endpoint, errors, member
from registry.errors import UserError
from registry.pipeline import reinspection
from registry.states import Scope


def _shown() -> Response:
    return Response(PolicyProgressOut(reinspection.progress()).data)


class PolicyProgress(Endpoint):
    @extend_schema(
        operation_id="policy",
        summary="How far the policy in force has come; for reviewers and admins",
        responses={200: PolicyProgressOut, **errors()},
    )
    def get(self, request: Request) -> Response:
        if not member(request).is_reviewer:
            raise UserError("access.denied")
        return _shown()


class RetryPolicy(Endpoint):
    scopes = (Scope.REVIEW,)

    @extend_schema(
        operation_id="policy_retry",
        summary="Inspect once more what could not be inspected again",
        request=None,
        responses={200: PolicyProgressOut, **errors()},
    )
    def post(self, request: Request) -> Response:
        reinspection.retry(by=member(request))
        return _shown()
