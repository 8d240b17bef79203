from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from registry import reviews
from registry.models import ApiToken, User, Version
from registry.states import Role, Stage, Visibility
from tests.registry import making
from tests.registry.api.conftest import Caller

pytestmark = pytest.mark.django_db


def _published(**fields: Any) -> Version:
    version = making.version(making.model(**fields))
    making.in_stage(Stage.IN_REVIEW, version)
    reviews.publish(version, by=making.person(Role.REVIEWER))
    return version


def _addresses(version: Version) -> list[str]:
    artifact = version.artifacts.get()
    return [
        f"/api/v1/models/{version.model.slug}",
        f"/api/v1/models/{version.model.slug}/versions",
        f"/api/v1/versions/{version.pk}",
        f"/api/v1/artifacts/{artifact.pk}",
        f"/api/v1/artifacts/{artifact.pk}/report",
        f"/api/v1/artifacts/{artifact.pk}/download",
    ]


def _who(name: str, version: Version) -> User | None:
    people = {
        "owner": lambda: version.model.owner,
        "member": making.person,
        "reviewer": lambda: making.person(Role.REVIEWER),
        "admin": lambda: making.person(Role.ADMIN),
        "visitor": lambda: None,
    }
    return people[name]()


@pytest.mark.parametrize("who", ["owner", "member", "reviewer", "admin"])
def test_what_is_published_is_seen_by_every_member(who: str, caller: Caller) -> None:
    version = _published()
    client = caller(_who(who, version))
    assert [client.get(path).status_code for path in _addresses(version)] == [200] * 6


def test_a_visitor_is_asked_to_sign_in(caller: Caller) -> None:
    for path in (
        *_addresses(_published()),
        "/api/v1/models",
        "/api/v1/me",
        "/api/v1/lookup/00000000",
    ):
        answer = caller().get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "access.sign_in")
        assert answer["WWW-Authenticate"].startswith("Bearer")


@override_settings(WEIGHHOUSE_OPEN=True)
def test_an_open_site_lets_visitors_read_and_nothing_else(caller: Caller) -> None:
    version = _published()
    client = caller()
    assert [client.get(path).status_code for path in _addresses(version)] == [200] * 6
    assert client.get(f"/api/v1/versions/{version.pk}").json()["events"] == []
    assert client.post("/api/v1/models", {"name": "x"}).status_code == 401
    assert client.get("/api/v1/me").status_code == 401


@override_settings(WEIGHHOUSE_OPEN=True)
@pytest.mark.parametrize(
    ("who", "sees"),
    [("owner", True), ("member", False), ("reviewer", True), ("admin", True), ("visitor", False)],
)
@pytest.mark.parametrize("hidden", ["private", "draft"])
def test_what_is_private_or_unpublished_is_not_there(
    hidden: str, who: str, sees: bool, caller: Caller
) -> None:
    if hidden == "private":
        version = _published(visibility=Visibility.PRIVATE)
    else:
        version = making.version()
        making.judged(making.artifact(version))
    client = caller(_who(who, version))
    digest = version.artifacts.get().blob_id
    for path in _addresses(version)[:5]:
        answer = client.get(path)
        assert (answer.status_code == 200) is sees, path
        if not sees:
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert bool(client.get("/api/v1/models").json()["results"]) is sees
    assert bool(client.get(f"/api/v1/lookup/{digest}").json()["results"]) is sees


def test_a_hidden_draft_shows_neither_in_its_model_nor_through_a_filter(caller: Caller) -> None:
    shown = _published()
    draft = making.version(shown.model, "2.0")
    Version.objects.filter(pk=draft.pk).update(precision="bf16")
    client = caller(making.person())
    (found,) = client.get("/api/v1/models").json()["results"]
    assert [each["id"] for each in found["versions"]] == [shown.pk]
    assert client.get("/api/v1/models?precision=bf16").json()["results"] == []
    assert client.get("/api/v1/models?precision=fp16").json()["results"]


def test_someone_a_private_model_is_shared_with_sees_it(caller: Caller) -> None:
    version, friend = _published(visibility=Visibility.PRIVATE), making.person()
    client = caller(friend)
    assert client.get(f"/api/v1/versions/{version.pk}").status_code == 404
    changed = caller(version.model.owner).patch(
        f"/api/v1/models/{version.model.slug}", {"shared_with": [friend.username]}
    )
    assert changed.status_code == 200
    assert client.get(f"/api/v1/versions/{version.pk}").status_code == 200


_DECISIONS = ("publish", "reject", "changes")


@pytest.mark.parametrize(
    ("who", "status"), [("owner", 403), ("member", 404), ("reviewer", 200), ("admin", 200)]
)
@pytest.mark.parametrize("decision", _DECISIONS)
def test_only_reviewers_decide(decision: str, who: str, status: int, caller: Caller) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    client = caller(_who(who, version))
    answer = client.post(f"/api/v1/versions/{version.pk}/{decision}", {"note": "because"})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("who", "status"), [("owner", 204), ("member", 404), ("reviewer", 403), ("admin", 204)]
)
@pytest.mark.parametrize("what", ["model", "version", "artifact"])
def test_the_owner_or_an_admin_deletes(what: str, who: str, status: int, caller: Caller) -> None:
    version = making.version()
    artifact = making.artifact(version)
    path = {
        "model": f"models/{version.model.slug}",
        "version": f"versions/{version.pk}",
        "artifact": f"artifacts/{artifact.pk}",
    }[what]
    assert caller(_who(who, version)).delete(f"/api/v1/{path}").status_code == status


@pytest.mark.parametrize("scope", ["read", "write", "review"])
def test_a_token_acts_within_its_scopes(scope: str, caller: Caller) -> None:
    reviewer = making.person(Role.REVIEWER)
    version = making.in_stage(Stage.IN_REVIEW)
    client = caller(reviewer, scope)
    answers = {
        "read": client.get(f"/api/v1/versions/{version.pk}"),
        "write": client.post("/api/v1/models", {"name": "mine"}),
        "review": client.post(f"/api/v1/versions/{version.pk}/reject", {"note": "no"}),
    }
    for needed, answer in answers.items():
        if needed == scope:
            assert answer.status_code in {200, 201}
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "token.scope")
            assert answer.json()["scope"] == needed


def test_an_unknown_or_expired_or_orphaned_token_is_refused(caller: Caller) -> None:
    user = making.person()
    client = caller(user)
    assert client.get("/api/v1/me").status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get("/api/v1/me").json()["code"] == "access.token"
    ApiToken.objects.update(expires_at=None)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/api/v1/me").json()["code"] == "access.token"
    client.credentials(HTTP_AUTHORIZATION="Bearer wh_nonsense")
    assert client.get("/api/v1/me").status_code == 401


def test_the_last_use_of_a_token_is_noted_once_a_minute(caller: Caller) -> None:
    client = caller(making.person())
    client.get("/api/v1/me")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    client.get("/api/v1/me")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    client.get("/api/v1/me")
    assert ApiToken.objects.get().last_used_at >= first


def test_me_says_who_and_with_which_scopes(caller: Caller) -> None:
    user = making.person(Role.REVIEWER)
    answer = caller(user, "read", "review").get("/api/v1/me").json()
    assert (answer["username"], answer["role"]) == (user.username, "reviewer")
    assert answer["token"]["scopes"] == ["read", "review"]


def test_a_session_needs_the_csrf_header_to_change_things() -> None:
    user = making.person()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/v1/me").json()["token"] is None
    wanted = {"data": {"name": "x"}, "content_type": "application/json"}
    refused = browser.post("/api/v1/models", **wanted)
    assert (refused.status_code, refused.json()["code"]) == (403, "access.csrf")
    browser.cookies["csrftoken"] = "a" * 32
    answer = browser.post("/api/v1/models", **wanted, headers={"X-CSRFToken": "a" * 32})
    assert answer.status_code == 201


def test_evidence_is_for_reviewers_and_journalled(caller: Caller) -> None:
    version = making.in_stage(Stage.QUARANTINED, verdict="malicious")
    artifact = version.artifacts.get()
    path = f"/api/v1/artifacts/{artifact.pk}/evidence"
    owner = caller(version.model.owner)
    assert owner.post(path).json()["code"] == "access.denied"
    refused = owner.get(f"/api/v1/artifacts/{artifact.pk}/download")
    assert (refused.status_code, refused.json()["code"]) == (403, "quarantined")
    reviewer = caller(making.person(Role.REVIEWER))
    # A look-ahead or a crawler must not write into the journal.
    assert reviewer.get(path).status_code == 405
    answer = reviewer.post(path)
    assert b"".join(answer.streaming_content)
    assert version.events.filter(kind="evidence").count() == 1


def test_reviewers_notes_are_for_those_who_work_on_the_version(caller: Caller) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.publish(version, by=making.person(Role.REVIEWER), note="between us")
    path = f"/api/v1/versions/{version.pk}"
    assert "between us" in caller(version.created_by).get(path).content.decode()
    other = caller(making.person()).get(path)
    assert "between us" not in other.content.decode()
    assert [event["kind"] for event in other.json()["events"]] == ["moved"]


@pytest.mark.parametrize("act", ["withdraw", "retry", "delete"])
def test_a_token_that_may_not_review_does_not_use_a_reviewers_power(
    act: str, caller: Caller
) -> None:
    stage = Stage.PUBLISHED if act == "withdraw" else Stage.QUARANTINED
    version = making.in_stage(stage)
    client = caller(making.person(Role.REVIEWER), "read", "write")
    path = f"/api/v1/versions/{version.pk}"
    answer = client.delete(path) if act == "delete" else client.post(f"{path}/{act}", {"note": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "token.scope")
    version.refresh_from_db()
    assert version.stage == stage


def test_a_reviewers_own_refused_version_needs_the_scope_to_come_back(caller: Caller) -> None:
    owner = making.person(Role.REVIEWER)
    version = making.in_stage(Stage.QUARANTINED, making.version(making.model(owner)))
    path = f"/api/v1/versions/{version.pk}/retry"
    assert caller(owner, "write").post(path, {}).json()["code"] == "token.scope"
    assert caller(owner).post(path, {}).status_code == 200
