"""Browsers signed in as each kind of person."""

from __future__ import annotations

import pytest
from django.test import Client

from registry.models import User
from registry.states import Role
from tests.registry import making


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def visitor() -> Client:
    return Client()


@pytest.fixture
def member(db: None) -> Client:
    return signed_in(making.person(Role.MEMBER))


@pytest.fixture
def reviewer(db: None) -> Client:
    return signed_in(making.person(Role.REVIEWER, "rita"))


@pytest.fixture
def admin(db: None) -> Client:
    return signed_in(making.person(Role.ADMIN, "boss"))
