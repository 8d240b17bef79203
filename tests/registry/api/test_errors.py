from __future__ import annotations

import pytest
from pytest import MonkeyPatch

from registry import catalogue
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api/", "/api/v2/models", "/api/v1/versions/x", "/api/v1/models/no-such"],
)
def test_what_is_not_there_is_said_in_json(path: str, caller: Caller) -> None:
    answer = caller(making.person()).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"]


@pytest.mark.parametrize("number", ["0", "9223372036854775808", "9" * 40])
def test_a_number_that_no_row_can_have_is_not_there(number: str, caller: Caller) -> None:
    client = caller(making.person())
    for kind in ("versions", "artifacts"):
        assert client.get(f"/api/v1/{kind}/{number}").status_code == 404
    assert client.get(f"/api/v1/previews/{number}/small").status_code == 404


def test_a_method_that_is_not_there_is_said_in_json(caller: Caller) -> None:
    answer = caller(making.person()).put("/api/v1/models", {})
    assert (answer.status_code, answer.json()["code"]) == (405, "request.method")


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "request.malformed"),
        (rb'{"name": "lone \ud800"}', "application/json", 400, "field.invalid"),
        (b"\xff\xfe", "application/json", 400, "request.malformed"),
        (b"[1]", "application/json", 400, "request.malformed"),
        (b"NaN", "application/json", 400, "request.malformed"),
        (b'{"a":' * 100_000, "application/json", 400, "request.malformed"),
        (b'{"name": "' + b"x" * 3_000_000 + b'"}', "application/json", 413, "request.too_large"),
        (b"name=x", "application/x-www-form-urlencoded", 415, "request.media_type"),
        (b"<x/>", "text/xml", 415, "request.media_type"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    body: bytes, kind: str, status: int, code: str, caller: Caller
) -> None:
    answer = caller(making.person()).generic("POST", "/api/v1/models", body, kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("accept", ["application/octet-stream", "text/html", "image/*", "x"])
def test_whatever_a_client_accepts_it_gets_json(accept: str, caller: Caller) -> None:
    answer = caller(making.person()).get("/api/v1/models?format=xml", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


def test_our_own_failure_is_json_and_tells_nothing_of_the_inside(
    caller: Caller, monkeypatch: MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(catalogue, "visible_models", broken)
    answer = caller(making.person()).get("/api/v1/models/x")
    assert (answer.status_code, answer.json()["code"]) == (500, "server.error")
    assert b"secret" not in answer.content
