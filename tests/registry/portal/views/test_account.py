from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from registry.models import ApiToken, User
from registry.states import Role
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db


def test_signing_in_leads_back_to_where_one_was() -> None:
    making.person(name="mara")
    client = Client()

    response = client.post(
        "/sign-in/", {"username": "mara", "password": making.PASSWORD, "next": "/upload/"}
    )

    assert response["Location"] == "/upload/"


def test_signing_in_leads_nowhere_else() -> None:
    making.person(name="mara")
    form = {"username": "mara", "password": making.PASSWORD, "next": "https://elsewhere.example/"}

    assert Client().post("/sign-in/", form)["Location"] == "/"


def test_a_wrong_password_is_told_without_saying_what_was_wrong() -> None:
    making.person(name="mara")

    known = Client().post("/sign-in/", {"username": "mara", "password": "no"}).content.decode()
    unknown = Client().post("/sign-in/", {"username": "nobody", "password": "no"}).content.decode()

    for page in (known, unknown):
        assert "That name and password do not go together." in page


def test_a_deactivated_person_does_not_get_in() -> None:
    user = making.person()
    client = signed_in(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert client.get("/account/").status_code == 302


def test_signing_out_ends_the_session(member: Client) -> None:
    member.post("/sign-out/")

    assert member.get("/account/").status_code == 302


def test_a_token_is_shown_once_and_works(member: Client) -> None:
    response = member.post("/account/tokens/", {"name": "desk", "scopes": ["read"], "days": "7"})

    found = re.search(r"wh_[\w-]{40,}", response.content.decode())
    assert found
    token = ApiToken.find(found[0])
    assert token is not None
    assert (token.name, token.scopes) == ("desk", ["read"])
    assert token.expires_at is not None
    assert "no-store" in response["Cache-Control"]
    assert found[0] not in member.get("/account/").content.decode()


def test_a_token_needs_a_scope_that_its_person_has(member: Client, reviewer: Client) -> None:
    form = {"name": "x", "scopes": ["review"]}

    assert member.post("/account/tokens/", {"name": "x"}).status_code == 422
    assert member.post("/account/tokens/", form).status_code == 422
    assert reviewer.post("/account/tokens/", form).status_code == 201


def test_only_own_tokens_are_revoked(member: Client) -> None:
    user = making.person()
    token, _ = ApiToken.issue(user, name="x", scopes=["read"])

    assert member.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert signed_in(user).post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    assert not ApiToken.objects.exists()


def test_the_password_is_changed_and_this_session_goes_on() -> None:
    user = making.person()
    here, elsewhere = signed_in(user), signed_in(user)
    fresh = "another-long-secret"

    here.post(
        "/account/password/",
        {"old_password": making.PASSWORD, "new_password1": fresh, "new_password2": fresh},
    )

    user.refresh_from_db()
    assert user.check_password(fresh)
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


def test_a_wrong_present_password_changes_nothing(member: Client) -> None:
    form = {
        "old_password": "no",
        "new_password1": "another-secret",
        "new_password2": "another-secret",
    }

    assert member.post("/account/password/", form).status_code == 422


def test_the_profile_is_saved_and_the_role_is_not_part_of_it() -> None:
    user = making.person()

    signed_in(user).post("/account/profile/", {"email": "m@example.org", "role": "admin"})

    user.refresh_from_db()
    assert (user.email, user.role) == ("m@example.org", Role.MEMBER)


def test_the_sign_in_page_bears_the_houses_name(visitor: Client) -> None:
    assert "<span>Weighhouse</span>" in visitor.get("/sign-in/").content.decode()


def test_guessing_a_password_is_slowed_down_even_when_the_guess_is_right() -> None:
    making.person(name="mara")
    guess = {"username": "mara", "password": "no"}
    statuses = [Client().post("/sign-in/", guess).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]

    response = Client().post("/sign-in/", {"username": "mara", "password": making.PASSWORD})
    assert response.status_code == 429
    assert "Too many attempts. Wait 15 minutes" in response.content.decode()


def test_nobody_keeps_a_file_here_by_sending_one_to_a_form() -> None:
    file = SimpleUploadedFile("big.bin", b"x" * 100_000)
    client = Client(enforce_csrf_checks=True)
    client.get("/sign-in/")

    response = client.post("/sign-in/", {"username": "mara", "password": "x", "file": file})

    assert response.status_code == 400
