from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from registry import reviews
from registry.models import Model
from registry.states import Kind, Role, Stage
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


def test_a_model_is_made_shown_and_changed(caller: Caller) -> None:
    client = caller(making.person())
    made = client.post(
        "/api/v1/models",
        {"name": "Night Sky", "summary": "stars", "kind": "lora", "tags": ["Sky", "night sky"]},
    )
    assert made.status_code == 201
    assert made.json()["slug"] == "night-sky"
    assert made.json()["tags"] == ["night-sky", "sky"]
    changed = client.patch("/api/v1/models/night-sky/", {"licence": "CC0-1.0", "tags": []})
    assert changed.status_code == 200
    shown = client.get("/api/v1/models/night-sky").json()
    assert (shown["licence"], shown["tags"], shown["summary"]) == ("CC0-1.0", [], "stars")


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "nul\x00"}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": "x", "kind": "spaceship"}, "kind"),
        ({"name": "x", "visibility": "secret"}, "visibility"),
        ({"name": "x", "tags": "not a list"}, "tags"),
        ({"name": "x", "tags": ["t"] * 33}, "tags"),
    ],
)
def test_a_model_with_a_wrong_field_is_refused(
    sent: dict[str, object], field: str, caller: Caller
) -> None:
    answer = caller(making.person()).post("/api/v1/models", sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "field.invalid")
    assert list(answer.json()["fields"]) == [field]
    assert not Model.objects.exists()


def test_a_name_that_is_taken_is_refused(caller: Caller) -> None:
    model = making.model(name="Twice")
    client = caller(model.owner)
    answer = client.post("/api/v1/models", {"name": "twice"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name.taken")
    path = f"/api/v1/models/{model.slug}/versions"
    assert client.post(path, {"name": "1"}).status_code == 201
    assert client.post(path, {"name": "1"}).json()["code"] == "name.taken"


def test_a_version_begins_as_a_draft(caller: Caller) -> None:
    model = making.model()
    answer = caller(model.owner).post(
        f"/api/v1/models/{model.slug}/versions", {"name": "2", "trigger_words": ["sks"]}
    )
    shown = answer.json()
    assert (shown["stage"], shown["model"], shown["trigger_words"]) == (
        "draft",
        model.slug,
        ["sks"],
    )
    assert shown["progress"] == {"step": None, "percent": None, "state": None, "activity": ""}
    assert shown["problem"] is None


def test_the_catalogue_pages_by_cursor_without_losing_or_repeating(caller: Caller) -> None:
    owner = making.person()
    for number in range(7):
        making.model(owner, name=f"model {number}")
    client = caller(owner)
    address, seen = "/api/v1/models?limit=3&ordering=name", []
    while address:
        page = client.get(address).json()
        assert set(page) == {"results", "next", "previous"}
        seen += [model["name"] for model in page["results"]]
        address = page["next"]
        # Something new before the cursor does not move what comes after it.
        if len(seen) == 3:
            making.model(owner, name="a model that comes first")
    assert seen == [f"model {number}" for number in range(7)]


def test_the_catalogue_narrows_down(caller: Caller) -> None:
    owner, other = making.person(), making.person()
    sky = making.model(owner, name="Night sky", kind=Kind.LORA, tags=["space"])
    sea = making.model(owner, name="Deep sea", kind=Kind.VAE)
    Model.objects.filter(pk=sea.pk).update(base="sdxl", downloads=9)
    reader = caller(owner)

    def names(query: str) -> list[str]:
        return [model["name"] for model in reader.get(f"/api/v1/models?{query}").json()["results"]]

    assert names("search=night") == [sky.name]
    assert names("kind=vae") == [sea.name]
    assert names("base=SDXL") == [sea.name]
    assert names("tag=space") == [sky.name]
    assert names(f"owner={other.username}") == []
    assert names("ordering=-downloads") == [sea.name, sky.name]
    assert names("search=night&kind=vae") == []


@pytest.mark.parametrize(
    "query",
    [
        "kind=spaceship",
        "ordering=owner__password",
        "cursor=%F0",
        "cursor=cD1ub25zZW5zZQ%3D%3D",
        "search=%00",
    ],
)
def test_a_wrong_query_is_refused(query: str, caller: Caller) -> None:
    answer = caller(making.person()).get(f"/api/v1/models?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "field.invalid")


def test_a_list_takes_a_fixed_number_of_queries(
    caller: Caller, django_assert_max_num_queries: object
) -> None:
    owner = making.person()
    for _ in range(5):
        making.version(making.model(owner, tags=["a", "b"]))
    client = caller(owner)
    client.get("/api/v1/models")
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        assert len(client.get("/api/v1/models").json()["results"]) == 5


def test_a_file_is_found_by_any_of_its_hashes(caller: Caller) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    artifact = version.artifacts.get()
    client = caller(version.model.owner)
    for value in (artifact.blob_id, artifact.blob_id.upper(), artifact.blob_id[:10]):
        (found,) = client.get(f"/api/v1/lookup/{value}").json()["results"]
        assert (found["id"], found["version"], found["stage"]) == (
            artifact.pk,
            version.pk,
            "in_review",
        )
        assert found["model"] == version.model.slug
    assert client.get("/api/v1/lookup/0123456789").json()["results"] == []


def test_a_file_that_was_not_inspected_is_found_by_its_sha256(caller: Caller) -> None:
    artifact = making.artifact()
    client = caller(artifact.version.created_by)
    assert client.get(f"/api/v1/lookup/{artifact.blob_id}").json()["results"]


@pytest.mark.parametrize("value", ["xyz", "1234567", "g" * 10, "0" * 65])
def test_what_is_no_hash_is_not_looked_up(value: str, caller: Caller) -> None:
    answer = caller(making.person()).get(f"/api/v1/lookup/{value}")
    assert (answer.status_code, answer.json()["code"]) == (400, "field.invalid")


def test_a_report_is_pending_and_then_there_under_the_name_of_the_file(caller: Caller) -> None:
    artifact = making.artifact(name="one.safetensors")
    client = caller(artifact.version.created_by)
    path = f"/api/v1/artifacts/{artifact.pk}/report"
    assert (client.get(path).status_code, client.get(path).json()["code"]) == (
        404,
        "report.pending",
    )
    making.judged(artifact)
    report = client.get(path).json()
    assert (report["name"], report["schema"]) == ("one.safetensors", 1)
    assert report["safety"]["verdict"] == "clean"


def test_the_way_from_a_draft_to_published_and_back(caller: Caller) -> None:
    version = making.version()
    making.judged(making.artifact(version))
    owner, reviewer = caller(version.created_by), caller(making.person(Role.REVIEWER))
    path = f"/api/v1/versions/{version.pk}"
    answer = owner.post(f"{path}/submit")
    assert answer.status_code == 202
    assert answer.json()["stage"] == "received"
    assert answer.json()["progress"]["step"] == "inspect"
    assert owner.post(f"{path}/submit/").json()["code"] == "stage.forbids"
    assert reviewer.post(f"{path}/publish", {}).json()["code"] == "stage.forbids"
    assert owner.post(f"{path}/retry", {}).json()["code"] == "version.busy"
    making.Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    assert reviewer.post(f"{path}/reject", {}).json()["code"] == "note.needed"
    assert reviewer.post(f"{path}/publish", {"note": "fine"}).json()["stage"] == "published"
    assert reviewer.post(f"{path}/publish", {}).status_code == 409
    assert owner.post(f"{path}/withdraw", {"note": "old"}).json()["stage"] == "withdrawn"
    events = owner.get(path).json()["events"]
    assert [each["to"] for each in events if each["kind"] == "moved"] == [
        "withdrawn",
        "published",
        "received",
    ]


def test_a_draft_without_files_is_not_taken(caller: Caller) -> None:
    version = making.version()
    answer = caller(version.created_by).post(f"/api/v1/versions/{version.pk}/submit")
    assert (answer.status_code, answer.json()["code"]) == (409, "version.no_files")


def test_a_reviewer_does_not_approve_an_own_upload_while_there_is_another(caller: Caller) -> None:
    making.person(Role.REVIEWER)
    version = making.version(making.model(making.person(Role.REVIEWER)))
    making.in_stage(Stage.IN_REVIEW, version)
    answer = caller(version.created_by).post(f"/api/v1/versions/{version.pk}/publish", {})
    assert (answer.status_code, answer.json()["code"]) == (403, "review.own_upload")


def test_deleting_a_file_of_what_is_no_draft_is_refused(caller: Caller) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    path = f"/api/v1/artifacts/{version.artifacts.get().pk}"
    assert caller(version.model.owner).delete(path).json()["code"] == "version.not_draft"


def test_addresses_in_an_answer_can_be_followed(caller: Caller) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.publish(version, by=making.person(Role.REVIEWER))
    client = caller(version.model.owner)
    model = client.get("/api/v1/models").json()["results"][0]
    shown = client.get(client.get(model["url"]).json()["versions"][0]["url"]).json()
    (file,) = shown["artifacts"]
    assert file["servable"] is True
    assert client.get(file["report_url"]).status_code == 200
    assert client.get(file["download_url"]).status_code == 200


def test_a_version_is_edited_and_a_deletion_says_why(caller: Caller) -> None:
    version = making.version()
    client, path = caller(version.created_by), f"/api/v1/versions/{version.pk}"
    changed = client.patch(path, {"notes": "n", "trigger_words": ["fern"]})
    assert changed.status_code == 200
    assert (changed.json()["notes"], changed.json()["trigger_words"]) == ("n", ["fern"])
    assert changed.json()["name"] == version.name
    assert caller(making.person(Role.REVIEWER)).patch(path, {"notes": "x"}).status_code == 403
    assert client.delete(f"{path}?note=wrong%20file").status_code == 204
    assert making.Model.objects.get().events.get(kind="deleted").note == "wrong file"


def test_a_private_model_is_shared_with_a_team(caller: Caller) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    member = making.person()
    member.groups.add(Group.objects.create(name="painters"))
    path = f"/api/v1/models/{version.model.slug}"
    owner = caller(version.model.owner)
    assert owner.patch(path, {"visibility": "private"}).status_code == 200
    assert caller(member).get(path).status_code == 404
    assert owner.patch(path, {"shared_with_teams": ["painters"]}).status_code == 200
    assert caller(member).get(path).status_code == 200
    assert owner.patch(path, {"shared_with_teams": ["ghosts"]}).status_code == 400
