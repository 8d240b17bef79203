"""The error pages, in the house style whoever made the error."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import Client

pytestmark = pytest.mark.django_db


def test_an_unknown_address_is_told_in_the_house_style(member: Client) -> None:
    response = member.get("/nowhere/")

    assert response.status_code == 404
    assert "There is nothing at this address" in response.content.decode()


def test_an_unknown_address_shows_visitors_no_way_in(visitor: Client) -> None:
    page = visitor.get("/nowhere/").content.decode()

    assert 'role="search"' not in page


def test_a_refusal_names_its_stable_code(member: Client) -> None:
    response = member.get("/review/")

    assert response.status_code == 403
    assert "access.denied" in response.content.decode()


def test_our_own_failure_needs_neither_request_nor_database() -> None:
    page = render_to_string("500.html")

    assert "The fault is ours" in page
