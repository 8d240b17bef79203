from __future__ import annotations

import pytest

from registry import people
from registry.errors import UserError
from registry.models import ApiToken, Event, User
from registry.states import Role
from tests.registry import making

pytestmark = pytest.mark.django_db


def test_adding_a_person_is_journalled() -> None:
    admin = making.person(Role.ADMIN)
    people.add(name="mara", role=Role.REVIEWER, by=admin, password=making.PASSWORD)
    event = Event.objects.get(kind="person")
    assert (event.subject, event.actor, event.data["role"]) == ("mara", admin, "reviewer")


def test_a_name_is_taken_whatever_its_case() -> None:
    making.person(name="mara")
    with pytest.raises(UserError, match=r"person\.exists"):
        people.add(name="Mara", role=Role.MEMBER, by=None)


def test_a_weak_password_is_refused_and_nobody_is_added() -> None:
    with pytest.raises(UserError, match=r"field\.invalid"):
        people.add(name="mara", role=Role.MEMBER, by=None, password="123")
    assert not User.objects.exists()


def test_the_last_admin_stays() -> None:
    admin = making.person(Role.ADMIN)
    for change in ({"role": Role.MEMBER}, {"active": False}):
        with pytest.raises(UserError, match=r"person\.last_admin"):
            people.change(admin, by=admin, **change)  # type: ignore[arg-type]
    making.person(Role.ADMIN)
    people.change(admin, by=admin, role=Role.MEMBER)
    assert not admin.is_admin


def test_a_token_is_found_by_its_secret_and_only_its_hash_is_kept() -> None:
    user = making.person()
    token, secret = ApiToken.issue(user, name="laptop", scopes=["read"])
    assert ApiToken.find(secret) == token
    assert secret not in str(ApiToken.objects.values().get())
    assert ApiToken.find(secret + "x") is None


def test_an_expired_token_and_one_of_a_person_who_left_are_dead() -> None:
    user = making.person()
    old, old_secret = ApiToken.issue(user, name="old", scopes=["read"], days=1)
    ApiToken.objects.filter(pk=old.pk).update(expires_at=old.created_at)
    assert ApiToken.find(old_secret) is None
    _, secret = ApiToken.issue(user, name="live", scopes=["read"])
    people.change(user, by=None, active=False)
    assert ApiToken.find(secret) is None


def test_a_scope_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="admin"):
        ApiToken.issue(making.person(), name="x", scopes=["admin"])


def test_a_team_is_made_and_changed_and_journalled() -> None:
    admin, mara, noor = making.person(Role.ADMIN), making.person(name="m"), making.person(name="n")
    people.change_team("painters", by=admin, add=[mara, noor])
    team = people.change_team("painters", by=admin, remove=[mara])
    assert list(team.user_set.all()) == [noor]
    first, second = Event.objects.filter(kind="person", subject="painters").order_by("id")
    assert (first.note, first.data["added"]) == ("team made", ["m", "n"])
    assert (second.note, second.data["removed"]) == ("team changed", ["m"])


def test_making_and_revoking_a_token_is_journalled_without_its_secret() -> None:
    user = making.person()
    token, secret = people.issue_token(user, by=user, name="laptop", scopes=["read"])
    people.revoke_token(token, by=user)
    made, revoked = Event.objects.order_by("pk")
    assert (made.note, revoked.note) == ("token made", "token revoked")
    assert made.data["token"] == revoked.data["token"] == secret[:9]
    assert secret not in str(list(Event.objects.values()))
    assert ApiToken.find(secret) is None


def test_a_password_that_somebody_else_sets_shuts_the_tokens_out() -> None:
    user = making.person()
    _, secret = people.issue_token(user, by=user, name="laptop", scopes=["read"])
    people.set_password(user, "another-long-secret", by=user)
    assert ApiToken.find(secret) is not None
    people.set_password(user, "yet-another-long-secret", by=making.person(Role.ADMIN))
    assert ApiToken.find(secret) is None
