from __future__ import annotations

import re

import pytest
from django.test import Client

from registry.models import Event, User
from registry.states import EventKind, Role
from tests.registry import making

pytestmark = pytest.mark.django_db


def secret(page: bytes) -> str:
    found = re.search(r'<p class="secret"><code>([^<]+)</code>', page.decode())
    assert found
    return found[1]


def test_a_new_person_gets_a_password_that_is_shown_once(admin: Client) -> None:
    response = admin.post("/people/add/", {"name": "mara", "email": "", "role": "reviewer"})

    user = User.objects.get(username="mara")
    password = secret(response.content)
    assert user.role == Role.REVIEWER
    assert user.check_password(password)
    assert "no-store" in response["Cache-Control"]
    assert password not in admin.get("/people/").content.decode()


def test_a_name_that_is_taken_is_told(admin: Client) -> None:
    making.person(name="mara")

    response = admin.post("/people/add/", {"name": "Mara", "role": "member"})

    assert response.status_code == 409
    assert "There is already a person named" in response.content.decode()


def test_roles_and_entry_are_changed_and_journalled(admin: Client) -> None:
    user = making.person()

    admin.post(f"/people/{user.pk}/role/", {"role": "reviewer"})
    admin.post(f"/people/{user.pk}/active/", {"active": "0"})

    user.refresh_from_db()
    assert (user.role, user.is_active) == (Role.REVIEWER, False)
    assert Event.objects.filter(kind=EventKind.PERSON, actor__username="boss").count() == 2


def test_the_last_admin_stays(admin: Client) -> None:
    boss = User.objects.get(username="boss")

    response = admin.post(f"/people/{boss.pk}/role/", {"role": "member"}, follow=True)

    assert "The last admin cannot be demoted" in response.content.decode()


def test_a_lost_password_is_replaced(admin: Client) -> None:
    user = making.person()

    response = admin.post(f"/people/{user.pk}/password/")

    user.refresh_from_db()
    assert user.check_password(secret(response.content))


def test_an_unknown_role_or_person_is_refused(admin: Client) -> None:
    user = making.person()

    assert admin.post(f"/people/{user.pk}/role/", {"role": "king"}).status_code == 400
    assert admin.post("/people/9999/role/", {"role": "admin"}).status_code == 404
