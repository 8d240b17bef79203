"""Guessing passwords is made to take too long."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.utils import timezone
from django.utils.crypto import salted_hmac

from registry.errors import UserError
from registry.models import SignInAttempt

log = structlog.get_logger(__name__)

WINDOW = timedelta(minutes=15)
#: So many wrong passwords for a name within the window, from one address …
FROM_ONE_ADDRESS = 10
#: … and from all of them together. More, so that a stranger does not easily lock a person out.
FROM_ANYWHERE = 50


def attempt(name: str, *, address: str) -> None:
    """Note that a password is about to be tried for ``name``; ``UserError("sign_in.too_often")``.

    It counts before it is checked, so that guesses sent all at once do not slip through together.
    """
    tried = SignInAttempt.objects.filter(name=_key(name), at__gt=timezone.now() - WINDOW)
    if tried.filter(address=address).count() >= FROM_ONE_ADDRESS or tried.count() >= FROM_ANYWHERE:
        log.warning("sign_in.too_often", address=address)
        raise UserError("sign_in.too_often", minutes=int(WINDOW.total_seconds() // 60))
    SignInAttempt.objects.create(name=_key(name), address=address)


def succeeded(name: str, *, address: str) -> None:
    SignInAttempt.objects.filter(name=_key(name), address=address).delete()


def forget() -> int:
    """Remove attempts that no longer count; how many."""
    return SignInAttempt.objects.filter(at__lte=timezone.now() - WINDOW).delete()[0]


def _key(name: str) -> str:
    return salted_hmac("registry.sign_in", name.lower(), algorithm="sha256").hexdigest()
