from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest import MonkeyPatch

from registry.models import ApiToken, Event, User
from registry.states import Role
from tests.registry import making

pytestmark = pytest.mark.django_db


def _run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_token_is_alone_on_standard_output() -> None:
    user = making.person()
    out = _run("token", user.username, "--scopes", "read,write", "--days", "3")
    token = ApiToken.find(out.strip())
    assert token is not None and out == out.strip() + "\n"
    assert (token.user, token.scopes) == (user, ["read", "write"])
    assert token.expires_at is not None
    assert out.strip() not in str(ApiToken.objects.values())


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody",),
        ("{me}", "--scopes", "everything"),
        ("{me}", "--scopes", ""),
        ("{me}", "--days", "0"),
    ],
)
def test_a_token_that_cannot_be_is_not_made(arguments: tuple[str, ...]) -> None:
    me = making.person().username
    with pytest.raises(CommandError):
        _run("token", *(word.format(me=me) for word in arguments))
    assert not ApiToken.objects.exists()


def test_a_new_person_gets_a_one_time_password() -> None:
    password = _run("person", "ada", "--role", "reviewer").strip()
    user = User.objects.get(username="ada")
    assert user.role == Role.REVIEWER
    assert user.check_password(password)
    assert Event.objects.filter(kind="person", subject="ada").exists()


def test_a_password_can_be_given_on_standard_input(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    assert _run("person", "ada", "--password-stdin") == ""
    assert User.objects.get(username="ada").check_password("correct horse battery")


@pytest.mark.parametrize("given", ["", "short", "12345678901"])
def test_a_password_that_is_none_is_refused(given: str, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    with pytest.raises(CommandError):
        _run("person", "ada", "--password-stdin")
    assert not User.objects.exists()


def test_a_person_is_changed_and_locked_out() -> None:
    making.person(Role.ADMIN)
    user = making.person(name="ada")
    assert _run("person", "ada", "--role", "admin") == ""
    _run("person", "ada", "--deactivate")
    user.refresh_from_db()
    assert (user.role, user.is_active) == (Role.ADMIN, False)


def test_the_last_admin_stays(settings: Any) -> None:
    admin = making.person(Role.ADMIN)
    with pytest.raises(CommandError, match="The last admin"):
        _run("person", admin.username, "--role", "member")


def test_a_team_says_who_is_in_it() -> None:
    making.person(name="mara")
    making.person(name="noor")
    assert _run("team", "painters", "--add", "noor", "mara") == "mara\nnoor\n"
    assert _run("team", "painters", "--remove", "mara") == "noor\n"
    with pytest.raises(CommandError, match="ghost"):
        _run("team", "painters", "--add", "ghost")
