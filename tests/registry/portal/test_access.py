"""Who gets to which page: every address of the portal, asked by every kind of person."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern, reverse
from pytest_django import DjangoAssertNumQueries, Settings

from registry.models import Artifact, Version
from registry.portal.urls import urlpatterns
from registry.states import Stage, Visibility
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db

OPEN_TO_ALL = {"sign-in", "sign-out"}
FOR_REVIEWERS = {"review", "evidence", "policy", "retry-policy", "bases", "unset-base"}
FOR_ADMINS = {"people", "add-person", "change-role", "change-active", "reset-password"}
POSTED = {
    "delete-model", "delete-version", "add-files", "remove-file", "act", "evidence", "profile",
    "password", "add-token", "revoke-token", "add-person", "change-role", "change-active",
    "reset-password", "notice", "read-notices", "retry-policy", "remove-variant",
    "unset-base",
}  # fmt: skip
NAMES = [pattern.name for pattern in urlpatterns if isinstance(pattern, URLPattern)]
_SAMPLES = {
    "slug": "x",
    "pk": 1,
    "artifact": 1,
    "variant": 1,
    "action": "publish",
    "name": "x",
    "size": "small",
}


def address(name: str) -> str:
    pattern = next(p for p in urlpatterns if isinstance(p, URLPattern) and p.name == name)
    wanted = pattern.pattern.converters
    return reverse(f"portal:{name}", kwargs={key: _SAMPLES[key] for key in wanted})


def ask(client: Client, name: str) -> int:
    send = client.post if name in POSTED else client.get
    return send(address(name)).status_code


@pytest.mark.parametrize("name", sorted(set(map(str, NAMES)) - OPEN_TO_ALL))
def test_a_closed_site_sends_visitors_to_sign_in(visitor: Client, name: str) -> None:
    response = (visitor.post if name in POSTED else visitor.get)(address(name))

    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("name", sorted(FOR_REVIEWERS | FOR_ADMINS))
def test_members_are_refused_what_is_for_others(member: Client, name: str) -> None:
    assert ask(member, name) == 403


@pytest.mark.parametrize("name", sorted(FOR_ADMINS))
def test_reviewers_do_not_manage_people(reviewer: Client, name: str) -> None:
    assert ask(reviewer, name) == 403


@pytest.mark.parametrize(
    "name", ["catalogue", "upload", "review", "account", "people", "notices", "policy", "bases"]
)
def test_an_admin_opens_every_page(admin: Client, name: str) -> None:
    assert ask(admin, name) == 200


@pytest.mark.parametrize("name", sorted(POSTED))
def test_nothing_is_changed_by_following_a_link(admin: Client, name: str) -> None:
    assert admin.get(address(name)).status_code == 405


def test_an_open_site_shows_visitors_what_is_published(visitor: Client, settings: Settings) -> None:
    settings.WEIGHHOUSE_OPEN = True
    published = making.in_stage(Stage.PUBLISHED)
    waiting = making.in_stage(Stage.IN_REVIEW)

    assert published.model.name in visitor.get("/").content.decode()
    assert visitor.get(published.model.get_absolute_url()).status_code == 200
    assert visitor.get(published.get_absolute_url()).status_code == 200
    assert visitor.get(waiting.get_absolute_url()).status_code == 404
    assert visitor.get("/upload/").status_code == 302
    assert visitor.get("/account/").status_code == 302


def test_a_private_model_is_leaked_to_nobody(
    visitor: Client, member: Client, settings: Settings
) -> None:
    settings.WEIGHHOUSE_OPEN = True
    model = making.model(name="Secret Garden", visibility=Visibility.PRIVATE, tags=["hidden-tag"])
    version = making.in_stage(Stage.PUBLISHED, making.version(model))
    file = version.artifacts.get()

    for client in (visitor, member):
        for address in (
            "/",
            "/?search=secret",
            f"/?search={file.blob_id[:16]}",
            "/?tag=hidden-tag",
        ):
            page = client.get(address).content.decode()
            assert "Secret Garden" not in page, address
            assert model.slug not in page, address
        for address in (
            model.get_absolute_url(),
            version.get_absolute_url(),
            version.get_absolute_url() + "live/",
            reverse("portal:download", args=[file.pk, file.name]),
        ):
            assert client.get(address).status_code == 404, address

    assert signed_in(model.owner).get(version.get_absolute_url()).status_code == 200


def test_a_private_model_is_seen_by_those_it_is_shared_with() -> None:
    model = making.model(visibility=Visibility.PRIVATE)
    making.in_stage(Stage.PUBLISHED, making.version(model))
    friend = making.person()
    model.shared_with.add(friend)

    assert signed_in(friend).get(model.get_absolute_url()).status_code == 200


def test_an_expired_session_does_not_put_the_sign_in_form_into_the_rail(visitor: Client) -> None:
    version = making.in_stage(Stage.RECEIVED)

    response = visitor.get(version.get_absolute_url() + "live/", headers={"HX-Request": "true"})

    assert response["HX-Redirect"] == "/sign-in/"


def test_pages_are_not_kept_by_shared_caches(member: Client) -> None:
    assert "private" in member.get("/")["Cache-Control"]


def test_the_policy_forbids_inline_scripts_and_styles_and_no_page_has_any(admin: Client) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    for address in (
        "/",
        "/upload/",
        "/review/",
        "/account/",
        "/people/",
        version.get_absolute_url(),
    ):
        response = admin.get(address)
        page = response.content.decode()

        assert "unsafe-inline" not in response["Content-Security-Policy"]
        assert " style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


def test_the_catalogue_asks_the_database_as_often_for_one_card_as_for_many(
    member: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(12):
        making.in_stage(Stage.PUBLISHED)

    with django_assert_max_num_queries(20):
        member.get("/")


def test_sample_addresses_do_not_exist_by_chance() -> None:
    assert not Version.objects.exists()
    assert not Artifact.objects.exists()
