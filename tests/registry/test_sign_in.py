from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import sign_in
from registry.errors import UserError
from registry.models import SignInAttempt

pytestmark = pytest.mark.django_db


def fail(times: int, name: str = "mara", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        sign_in.attempt(name, address=address)


def test_after_some_failures_a_name_has_to_wait() -> None:
    fail(sign_in.FROM_ONE_ADDRESS)
    with pytest.raises(UserError, match=r"sign_in\.too_often"):
        sign_in.attempt("Mara", address="192.0.2.1")
    SignInAttempt.objects.update(at=timezone.now() - sign_in.WINDOW - timedelta(seconds=1))
    sign_in.attempt("mara", address="192.0.2.1")


def test_others_and_the_same_person_elsewhere_get_in() -> None:
    fail(sign_in.FROM_ONE_ADDRESS)
    sign_in.attempt("noor", address="192.0.2.1")
    sign_in.attempt("mara", address="192.0.2.2")


def test_many_addresses_do_not_make_guessing_cheap() -> None:
    for number in range(sign_in.FROM_ANYWHERE):
        fail(1, address=f"192.0.2.{number}")
    with pytest.raises(UserError, match=r"sign_in\.too_often"):
        sign_in.attempt("mara", address="198.51.100.1")


def test_the_right_password_clears_what_was_mistyped() -> None:
    fail(sign_in.FROM_ONE_ADDRESS - 1)
    sign_in.succeeded("mara", address="192.0.2.1")
    fail(sign_in.FROM_ONE_ADDRESS)


def test_what_was_typed_as_a_name_is_not_kept() -> None:
    fail(1, name="my secret password")
    assert "secret" not in str(SignInAttempt.objects.values().get())


def test_old_attempts_are_forgotten() -> None:
    fail(2)
    SignInAttempt.objects.filter(pk=SignInAttempt.objects.first().pk).update(  # type: ignore[union-attr]
        at=timezone.now() - sign_in.WINDOW
    )
    assert sign_in.forget() == 1
    assert SignInAttempt.objects.count() == 1
