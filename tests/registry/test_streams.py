"""The form of a page: its token is looked at before a byte of a file is taken."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory

from registry import blobs, streams
from registry.errors import UserError
from tests.registry.bodies import CONTENT_TYPE, field, file, form

SECRET = "a" * 32


def _request(body: bytes, **headers: str) -> HttpRequest:
    request = RequestFactory().post("/", body, content_type=CONTENT_TYPE, headers=headers)
    request.COOKIES["csrftoken"] = SECRET
    request._dont_enforce_csrf_checks = False  # type: ignore[attr-defined]
    return request


def _names(request: HttpRequest) -> list[str]:
    with streams.form(request, csrf=True) as sent:
        return [arrived.name for arrived in sent.files]


def test_the_token_may_come_in_a_field_before_the_files() -> None:
    token = field("csrfmiddlewaretoken", SECRET)
    assert _names(_request(form(token, file(b"x", "x.pt")))) == ["x.pt"]


def test_the_token_may_come_in_the_header() -> None:
    assert _names(_request(form(file(b"x", "x.pt")), **{"X-CSRFToken": SECRET})) == ["x.pt"]


@pytest.mark.parametrize(
    "parts",
    [
        (file(b"x", "x.pt"),),
        (field("csrfmiddlewaretoken", "b" * 32), file(b"x", "x.pt")),
        (file(b"x", "x.pt"), field("csrfmiddlewaretoken", SECRET)),
        (field("name", "no file, no token"),),
    ],
)
def test_without_the_token_nothing_is_taken(parts: tuple[bytes, ...]) -> None:
    before = set(blobs.scratch().iterdir())
    with pytest.raises(UserError, match=r"access\.csrf"):
        _names(_request(form(*parts)))
    assert set(blobs.scratch().iterdir()) == before


def test_a_view_may_refuse_by_the_fields_before_a_file_is_taken() -> None:
    def refuse(fields: QueryDict) -> None:
        assert fields["version"] == "7"
        assert list(blobs.scratch().iterdir()) == before
        raise UserError("access.denied")

    before = list(blobs.scratch().iterdir())
    body = form(field("version", "7"), file(b"x", "x.pt"))
    with (
        pytest.raises(UserError, match=r"access\.denied"),
        streams.form(_request(body), before_files=refuse),
    ):
        pass


def test_later_readers_find_the_fields() -> None:
    request = _request(form(field("a", "1"), file(b"x", "x.pt"), field("b", "2")))
    with streams.form(request):
        assert request.POST.dict() == {"a": "1", "b": "2"}
        assert not request.FILES


def test_what_was_not_kept_is_gone_afterwards() -> None:
    before = set(blobs.scratch().iterdir())
    with streams.form(_request(form(file(b"x", "x.pt")))) as sent:
        path = sent.files[0].incoming.path
        assert path.read_bytes() == b"x"
    assert set(blobs.scratch().iterdir()) == before
