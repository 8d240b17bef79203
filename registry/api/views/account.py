"""Who is asking, and what is not there."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.serializers import MeOut
from registry.api.views.base import Endpoint, errors, member
from registry.errors import UserError
from registry.states import Scope


class Me(Endpoint):
    # Any token may ask what it is good for.
    scopes = tuple(Scope)

    @extend_schema(operation_id="me", summary="Who is asking", responses={200: MeOut, **errors()})
    def get(self, request: Request) -> Response:
        return Response(MeOut(member(request), context={"request": request}).data)


@extend_schema(exclude=True)
class Nothing(Endpoint):
    """Every other address below ``/api/``: an error like the others, for whoever asks."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise UserError("not_found")
