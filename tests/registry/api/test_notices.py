from __future__ import annotations

import pytest

from registry import reviews
from registry.models import Blob, Reinspection
from registry.pipeline import reinspection
from registry.states import Role, RunState, Stage
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


def test_a_caller_lists_and_reads_own_notices(caller: Caller) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.reject(version, by=making.person(Role.REVIEWER, "rita"), note="no")
    client = caller(version.created_by, "read")
    (notice,) = client.get("/api/v1/notices").json()["results"]
    assert (notice["kind"], notice["note"], notice["read_at"]) == ("rejected", "no", None)
    assert notice["link"].endswith(version.get_absolute_url())
    assert client.post(f"/api/v1/notices/{notice['id']}/read").json()["read_at"]
    assert client.get("/api/v1/notices?unread=1").json()["results"] == []
    assert client.post("/api/v1/notices/read").json() == {"read": 0}
    stranger = caller(making.person())
    assert stranger.post(f"/api/v1/notices/{notice['id']}/read").status_code == 404


def test_visitors_have_no_notices(caller: Caller) -> None:
    assert caller().get("/api/v1/notices").json()["code"] == "access.sign_in"


def test_reviewers_see_how_far_the_policy_has_come(caller: Caller) -> None:
    making.in_stage(Stage.PUBLISHED)
    making.in_stage(Stage.PUBLISHED)
    reinspection.announce("test")
    Blob.objects.filter(pk=Blob.objects.values("pk")[:1]).update(policy="older")
    answer = caller(making.person(Role.ADMIN)).get("/api/v1/policy").json()
    assert (answer["policy"], answer["percent"], answer["under_way"]) == ("test", 50, True)
    assert (answer["total"], answer["done"], answer["left"]) == (2, 1, 1)
    refused = caller(making.person()).get("/api/v1/policy")
    assert (refused.status_code, refused.json()["code"]) == (403, "access.denied")


def test_what_could_not_be_inspected_is_tried_again_by_a_reviewer(caller: Caller) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    reinspection.announce("newer")
    blob = version.artifacts.get().blob
    Reinspection.objects.create(blob=blob, policy="newer", state=RunState.FAILED, attempts=3)
    reviewer = making.person(Role.REVIEWER)
    client = caller(reviewer)
    address = f"/api/v1/versions/{version.pk}"
    assert client.get(address).json()["reinspection"] == {"state": "failed"}
    assert caller(reviewer, "read").post("/api/v1/policy/retry").json()["code"] == "token.scope"
    assert client.post("/api/v1/policy/retry").json()["failed"] == 0
    assert client.get(address).json()["reinspection"] == {"state": "due"}


def test_a_version_says_which_policy_its_verdict_rests_on(caller: Caller) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    client = caller(making.person())
    address = f"/api/v1/versions/{version.pk}"
    shown = client.get(address).json()
    assert shown["safety"] == {"verdict": "clean", "policy": "test", "policy_in_force": None}
    assert shown["reinspection"] == {"state": "none"}
    reinspection.announce("newer")
    shown = client.get(address).json()
    assert shown["safety"] == {"verdict": "clean", "policy": "test", "policy_in_force": "newer"}
    assert shown["reinspection"] == {"state": "due"}
    assert [file["policy"] for file in shown["artifacts"]] == ["test"]
    assert shown["artifacts"][0]["servable"]
