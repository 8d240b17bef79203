"""The smoke test over the API: own prompts, pictures, bases, and making it once more."""

from __future__ import annotations

import pytest

from registry.models import Redraw, SmokeBase
from registry.states import Role, RunState, Scope, Stage
from tests.registry import making
from tests.registry.api.conftest import Caller
from tests.registry.pictures import PARAMETERS, Engine, drawn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_redraws")]


def test_pictures_say_what_they_show_and_how_they_were_made(caller: Caller, draws: Engine) -> None:
    draws.wants = "sd1"
    base = making.checkpoint("sd1")
    SmokeBase.objects.create(base="sd1", artifact=base)
    version = drawn(making.in_stage(Stage.PUBLISHED))
    api = caller(making.person(), Scope.READ)
    body = api.get(f"/api/v1/versions/{version.pk}").json()
    roles = [(p["group"], p["role"], p["strength"]) for p in body["previews"]]
    assert roles == [(1, "base", None), (1, "model", 0.5), (1, "model", 1.0)]
    first = body["previews"][0]
    assert (first["width"], first["medium_width"], first["small_width"]) == (64, 32, 16)
    assert first["parameters"] == {"text": PARAMETERS}
    smoke = body["smoke"]
    assert (smoke["verdict"], smoke["device"], smoke["wants_base"]) == ("passed", "cpu", None)
    assert (smoke["base"]["id"], smoke["base"]["model"]) == (base.pk, base.version.model.slug)
    assert smoke["checks"][0]["name"] == "blank"
    assert (smoke["sheet"]["width"], smoke["sheet"]["height"]) == (96, 72)
    sheet = api.get(smoke["sheet"]["url"])
    assert (sheet.status_code, sheet["Content-Type"]) == (200, "image/webp")


def test_a_sheet_is_seen_with_its_version_only(caller: Caller, draws: Engine) -> None:
    version = drawn(making.in_stage(Stage.IN_REVIEW))
    address = f"/api/v1/versions/{version.pk}/sheet"
    assert caller(making.person()).get(address).status_code == 404
    assert caller(version.created_by).get(address).status_code == 200
    bare = making.in_stage(Stage.PUBLISHED)
    assert caller(making.person()).get(f"/api/v1/versions/{bare.pk}/sheet").status_code == 404


def test_before_the_smoke_test_there_is_none(caller: Caller) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    body = caller(making.person()).get(f"/api/v1/versions/{version.pk}").json()
    assert (body["smoke"], body["previews"]) == (None, [])


def test_what_waits_for_a_base_says_so(caller: Caller, draws: Engine) -> None:
    draws.wants = "sdxl"
    version = drawn(making.in_stage(Stage.PUBLISHED))
    smoke = caller(making.person()).get(f"/api/v1/versions/{version.pk}").json()["smoke"]
    assert (smoke["verdict"], smoke["wants_base"]) == ("skipped", "sdxl")
    assert (smoke["code"], smoke["base"], smoke["sheet"]) == ("smoke.needs_base", None, None)


def test_own_prompts_are_given_and_changed(caller: Caller) -> None:
    model = making.model()
    api = caller(model.owner)
    address = f"/api/v1/models/{model.slug}/versions"
    made = api.post(address, {"name": "1", "prompts": ["  a crane\nin rain "]}, format="json")
    assert made.json()["prompts"] == ["a crane in rain"]
    changed = api.patch(made.json()["url"], {"prompts": ["a", "b"]}, format="json")
    assert changed.json()["prompts"] == ["a", "b"]
    for wrong in (["x"] * 5, ["x" * 501], ["a \x07 bell"]):
        assert api.patch(made.json()["url"], {"prompts": wrong}, format="json").status_code == 400


def test_a_base_is_set_listed_and_unset(caller: Caller) -> None:
    reviewer = making.person(Role.REVIEWER)
    api = caller(reviewer)
    file = making.checkpoint("sd1")
    answer = api.post("/api/v1/bases", {"artifact": file.pk}, format="json")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["base"], body["artifact"]["id"], body["serves"], body["set_by"]) == (
        "sd1", file.pk, True, reviewer.username,
    )  # fmt: skip
    assert api.get("/api/v1/bases").json() == [body]
    assert api.delete("/api/v1/bases/sd1").status_code == 204
    assert api.delete("/api/v1/bases/sd1").status_code == 404
    assert api.delete("/api/v1/bases/%00").status_code == 404
    lora = making.in_stage(Stage.PUBLISHED).artifacts.get()
    refused = api.post("/api/v1/bases", {"artifact": lora.pk}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "base.unfit")


def test_bases_are_the_reviewers_business(caller: Caller) -> None:
    file = making.checkpoint("sd1")
    member = caller(file.version.created_by)
    assert member.get("/api/v1/bases").status_code == 403
    assert member.post("/api/v1/bases", {"artifact": file.pk}, format="json").status_code == 403
    weak = caller(making.person(Role.REVIEWER), Scope.READ, Scope.WRITE)
    assert weak.get("/api/v1/bases").status_code == 200
    assert weak.post("/api/v1/bases", {"artifact": file.pk}, format="json").status_code == 403
    assert weak.delete("/api/v1/bases/sd1").status_code == 403


def test_it_is_made_once_more_for_a_reviewer(caller: Caller, draws: Engine) -> None:
    version = drawn(making.in_stage(Stage.PUBLISHED))
    address = f"/api/v1/versions/{version.pk}/redraw"
    assert caller(version.created_by).post(address).status_code == 403
    answer = caller(making.person(Role.REVIEWER)).post(address)
    assert answer.status_code == 202
    assert answer.json()["stage"] == "published"
    assert answer.json()["smoke"]["redraw"] == {"state": "waiting", "percent": 0, "activity": ""}
    Redraw.objects.update(state=RunState.RUNNING, percent=40, activity="Drawing")
    told = caller(making.person()).get(f"/api/v1/versions/{version.pk}").json()
    assert told["smoke"]["redraw"]["percent"] == 40
