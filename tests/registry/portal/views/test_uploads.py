"""Uploads through the form: without a script in one go, with one file by file."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from registry import blobs
from registry.models import Artifact, Model, Version
from registry.states import Stage
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db

JSON = {"Accept": "application/json"}


def file(name: str = "tiny.safetensors", salt: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, making.safetensors(salt))


def new(**more: object) -> dict[str, object]:
    return {"model": "new", "model_name": "Dreamglass", "version": "v1", **more}


def test_the_plain_form_takes_several_files_and_hands_them_in(member: Client) -> None:
    form = new(tags="calm, ink", file=[file("a.safetensors", 1), file("b.ckpt", 2)])

    response = member.post("/upload/", form)

    version = Version.objects.get()
    assert response["Location"] == version.get_absolute_url()
    assert version.stage == Stage.RECEIVED
    assert [a.name for a in version.artifacts.all()] == ["a.safetensors", "b.ckpt"]
    assert version.model.name == "Dreamglass"
    assert blobs.exists(version.artifacts.all()[0].blob_id)


def test_a_new_version_joins_an_own_model() -> None:
    model = making.model()

    signed_in(model.owner).post(
        "/upload/", {"model": model.slug, "version": "v2", "file": [file()]}
    )

    assert model.versions.get().name == "v2"


def test_somebody_elses_model_is_not_on_offer(member: Client) -> None:
    model = making.model()

    response = member.post("/upload/", {"model": model.slug, "version": "v2", "file": [file()]})

    assert response.status_code == 422
    assert not model.versions.exists()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"model_name": ""}, "A new model needs a name."),
        ({"version": ""}, "This field is required."),
        ({"model": "nowhere"}, "Select a valid choice"),
    ],
)
def test_wrong_fields_are_told_and_leave_nothing(
    member: Client, form: dict[str, str], said: str
) -> None:
    response = member.post("/upload/", new(**form, file=[file()]))

    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Model.objects.exists()
    assert list(blobs.scratch().iterdir()) == []


def test_a_form_without_a_file_is_told(member: Client) -> None:
    response = member.post("/upload/", new())

    assert response.status_code == 422
    assert "Choose at least one file." in response.content.decode()
    assert not Model.objects.exists()


@pytest.mark.parametrize(
    ("bad", "status", "said"),
    [
        (SimpleUploadedFile("empty.ckpt", b""), 400, "The file is empty."),
        (SimpleUploadedFile("we?ird.ckpt", b"x"), 400, "The file name is not usable"),
    ],
)
def test_a_bad_file_leaves_nothing_of_the_good_ones(
    member: Client, bad: SimpleUploadedFile, status: int, said: str
) -> None:
    response = member.post("/upload/", new(file=[file(), bad]))

    assert response.status_code == status
    page = response.content.decode()
    assert said in page
    assert f'value="{new()["model_name"]}"' in page
    assert not Model.objects.exists()
    assert list(blobs.scratch().iterdir()) == []


def test_two_files_of_one_name_are_refused_together(member: Client) -> None:
    response = member.post("/upload/", new(file=[file(salt=1), file(salt=2)]))

    assert response.status_code == 422
    assert "already has a file named" in response.content.decode()
    assert not Model.objects.exists()


def test_too_large_a_file_is_told_with_the_limit(
    member: Client, settings: pytest.FixtureRequest
) -> None:
    settings.WEIGHHOUSE_MAX_UPLOAD = 50  # type: ignore[attr-defined]

    response = member.post("/upload/", new(file=[file()]))

    assert response.status_code == 413
    assert "larger than this site takes" in response.content.decode()
    assert not Model.objects.exists()


def test_the_script_makes_a_draft_then_sends_files_one_by_one(member: Client) -> None:
    places = member.post("/upload/", new(), headers=JSON).json()
    version = Version.objects.get()
    assert version.stage == Stage.DRAFT

    for salt, name in enumerate(("a.safetensors", "b.safetensors")):
        answer = member.post(places["files"], {"file": file(name, salt)}, headers=JSON)
        assert answer.status_code == 201
        assert answer.json()["files"][0]["name"] == name
    member.post(places["submit"], headers=JSON)

    version.refresh_from_db()
    assert version.stage == Stage.RECEIVED
    assert places["page"] == version.get_absolute_url()


def test_the_script_reads_errors_as_json(member: Client) -> None:
    wrong = member.post("/upload/", new(model_name=""), headers=JSON)
    assert wrong.status_code == 422
    assert "A new model needs a name." in wrong.json()["detail"]

    places = member.post("/upload/", new(), headers=JSON).json()
    empty = member.post(places["files"], {"file": SimpleUploadedFile("x.pt", b"")}, headers=JSON)
    assert empty.json()["code"] == "file.empty"


def test_files_join_an_own_draft_only(member: Client) -> None:
    draft = making.version()
    done = making.in_stage(Stage.RECEIVED)
    address = reverse("portal:add-files", args=[draft.model.slug, draft.pk])
    late = reverse("portal:add-files", args=[done.model.slug, done.pk])

    assert member.post(address, {"file": file()}).status_code == 404
    assert signed_in(draft.created_by).post(address, {"file": file()}).status_code == 302
    assert signed_in(done.created_by).post(late, {"file": file("n.pt", 9)}).status_code == 409
    assert not Artifact.objects.filter(name="n.pt").exists()


@pytest.mark.parametrize("place", ["upload", "files"])
def test_a_forged_form_is_refused_before_a_file_is_taken(place: str) -> None:
    draft = making.version()
    client = Client(enforce_csrf_checks=True)
    client.force_login(draft.created_by)
    address = (
        "/upload/"
        if place == "upload"
        else reverse("portal:add-files", args=[draft.model.slug, draft.pk])
    )

    response = client.post(address, new(file=[file()]))

    assert response.status_code == 403
    assert Version.objects.count() == 1
    assert not Artifact.objects.exists()


def test_the_form_carries_a_token_that_is_accepted() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(making.person())
    client.get("/upload/")
    token = client.cookies["csrftoken"].value

    response = client.post("/upload/", {"csrfmiddlewaretoken": token, **new(), "file": [file()]})

    assert response.status_code == 302
    assert Version.objects.get().stage == Stage.RECEIVED
