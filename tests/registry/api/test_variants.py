"""Variants over the API: asked for, followed, taken away."""

from __future__ import annotations

from typing import Any

import pytest

from registry.models import Variant, Version
from registry.states import Role, RunState, Scope, Stage
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


def address(version: Version, row: Any = "") -> str:
    return f"/api/v1/versions/{version.pk}/variants" + (f"/{row}" if row else "")


@pytest.fixture
def version() -> Version:
    return making.in_stage(Stage.PUBLISHED)


def test_it_is_asked_for_followed_and_taken_away(caller: Caller, version: Version) -> None:
    api = caller(version.created_by, Scope.READ, Scope.WRITE)
    answer = api.post(address(version), {"precision": "fp16"}, format="json")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["state"], body["percent"], body["said"], body["artifact"]) == (
        "waiting", 0, "fp16", None,
    )  # fmt: skip
    assert body["options"] == {
        "precision": "fp16", "prune": False, "weights": None, "fix": [], "format": "safetensors",
        "vae": None,
    }  # fmt: skip
    Variant.objects.update(state=RunState.RUNNING, percent=40, activity="convert")
    followed = api.get(body["url"]).json()
    assert (followed["state"], followed["percent"]) == ("running", 40)
    assert [row["id"] for row in api.get(address(version)).json()] == [body["id"]]
    assert api.delete(body["url"]).status_code == 204
    assert api.get(body["url"]).status_code == 404


def test_one_that_is_made_is_answered_with_200(caller: Caller, version: Version) -> None:
    api = caller(version.created_by, Scope.WRITE)
    first = api.post(address(version), {"precision": "fp16"}, format="json").json()
    Variant.objects.update(state=RunState.DONE)
    again = api.post(address(version), {"precision": "fp16", "fix": []}, format="json")
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 400, "variant.nothing_asked"),
        ({"prune": True}, 409, "variant.changes_nothing"),
        ({"format": "pt"}, 409, "variant.torch_kind"),
        ({"precision": "fp8"}, 400, "field.invalid"),
        ({"precision": "fp16", "artifact": 10**9}, 409, "variant.source"),
        ({"vae": 10**9}, 404, "not_found"),
    ],
)
def test_a_refusal_has_a_code(
    caller: Caller, version: Version, asked: dict[str, object], status: int, code: str
) -> None:
    answer = caller(version.created_by, Scope.WRITE).post(address(version), asked, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_whoever_does_not_work_on_it_sees_nothing(caller: Caller, version: Version) -> None:
    api = caller(making.person(), Scope.READ, Scope.WRITE)
    assert api.get(address(version)).status_code == 403
    assert api.post(address(version), {"precision": "fp16"}, format="json").status_code == 403


def test_a_reviewer_asks_with_the_scope_for_it(caller: Caller, version: Version) -> None:
    reviewer = making.person(Role.REVIEWER)
    asked = {"precision": "fp16"}
    refused = caller(reviewer, Scope.WRITE).post(address(version), asked, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "token.scope")
    both = caller(reviewer, Scope.WRITE, Scope.REVIEW)
    assert both.post(address(version), asked, format="json").status_code == 202
