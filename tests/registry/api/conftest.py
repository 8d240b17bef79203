"""Callers of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from registry import blobs
from registry.models import ApiToken, User
from registry.states import Scope

Caller = Callable[..., APIClient]


@pytest.fixture
def caller() -> Caller:
    """``caller(user)`` has a token with every scope, ``caller(user, "read")`` one with that,
    ``caller()`` none."""

    def make(user: User | None = None, *scopes: str) -> APIClient:
        client = APIClient(raise_request_exception=False)
        if user is not None:
            _, secret = ApiToken.issue(user, name="test", scopes=scopes or Scope.values)
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        return client

    return make


def _files() -> set[Path]:
    return {path for path in blobs.scratch().parent.rglob("*") if path.is_file()}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """The store and its scratch hold afterwards what they held before."""
    before = _files()
    yield
    assert _files() == before
