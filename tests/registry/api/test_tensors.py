"""A file's tensors over the API."""

from __future__ import annotations

import pytest

from registry.models import Artifact, TensorList
from registry.states import Role, Stage
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


def of(stage: Stage = Stage.PUBLISHED) -> Artifact:
    return making.listed(making.in_stage(stage).artifacts.select_related("blob").get())


def test_they_come_in_pages_that_lead_on(caller: Caller) -> None:
    client = caller(making.person())
    address = f"/api/v1/artifacts/{of().pk}/tensors?limit=100"
    names, pages = [], 0
    while address:
        answer = client.get(address).json()
        names += [row["name"] for row in answer["results"]]
        address, pages = answer["next"], pages + 1
    assert pages == 3
    assert len(set(names)) == len(names) == answer["total"] == answer["found"] == 251
    assert names[-1] == "betas"
    assert answer["components"] == {"unet": 250, "schedule": 1}


def test_they_are_searched_by_name_component_dtype_and_shape(caller: Caller) -> None:
    client, pk = caller(making.person()), of().pk
    address = f"/api/v1/artifacts/{pk}/tensors"
    assert client.get(address, {"search": "layer.24"}).json()["found"] == 11
    assert client.get(address, {"component": "schedule"}).json()["results"] == [
        {"name": "betas", "dtype": "F32", "shape": [1000], "component": "schedule", "bytes": 4000}
    ]
    assert client.get(address, {"dtype": "F32"}).json()["found"] == 1
    assert client.get(address, {"shape": "17,4"}).json()["results"][0]["name"] == "layer.16.weight"


@pytest.mark.parametrize(
    "wrong", [{"shape": "wide"}, {"cursor": "-1"}, {"cursor": "x"}, {"limit": "0"}]
)
def test_what_cannot_be_looked_for_is_refused(wrong: dict[str, str], caller: Caller) -> None:
    answer = caller(making.person()).get(f"/api/v1/artifacts/{of().pk}/tensors", wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "field.invalid")


def test_they_are_seen_by_whoever_sees_the_report(caller: Caller) -> None:
    artifact = of(Stage.IN_REVIEW)
    address = f"/api/v1/artifacts/{artifact.pk}/tensors"
    assert caller().get(address).status_code == 401
    assert caller(making.person()).get(address).status_code == 404
    assert caller(artifact.version.created_by).get(address).status_code == 200
    assert caller(making.person(Role.REVIEWER)).get(address).status_code == 200


def test_a_file_that_was_not_listed_says_so(caller: Caller) -> None:
    artifact = of()
    TensorList.objects.all().delete()
    answer = caller(making.person()).get(f"/api/v1/artifacts/{artifact.pk}/tensors")
    assert (answer.status_code, answer.json()["code"]) == (404, "tensors.pending")
