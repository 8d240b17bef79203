"""Adding people and changing what they may do; every change is journalled."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from registry import lifecycle, names
from registry.errors import UserError
from registry.models import ApiToken, User
from registry.states import EventKind, Role


def one_time_password() -> str:
    return secrets.token_urlsafe(12)


@transaction.atomic
def add(*, name: str, role: str, by: User | None, email: str = "", password: str = "") -> User:
    """A new person. ``by`` is None on the command line. An empty password cannot sign in."""
    name = name.strip()
    if not name:
        raise UserError("name.empty")
    if User.objects.filter(username__iexact=name).exists():
        raise UserError("person.exists", name=name)
    user = User(username=name, email=email, role=Role(role))
    try:
        User.username_validator(name)
        if password:
            validate_password(password, user)
    except ValidationError as error:
        raise UserError("field.invalid", detail=" ".join(error.messages)) from error
    user.set_password(password or None)
    user.save()
    _record(user, by, "added", role=user.role)
    return user


@transaction.atomic
def change(
    user: User, *, by: User | None, role: str | None = None, active: bool | None = None
) -> None:
    """Change a person's role or let them in or out. One admin always remains."""
    loses_admin = (role is not None and role != Role.ADMIN) or active is False
    admins = User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True)
    if loses_admin and user.is_admin and not [a for a in admins if a.pk != user.pk]:
        raise UserError("person.last_admin")
    if role is not None:
        user.role = Role(role)
    if active is not None:
        user.is_active = active
    user.save(update_fields=["role", "is_active"])
    _record(user, by, "changed", role=user.role, active=user.is_active)


@transaction.atomic
def change_team(
    name: str, *, by: User | None, add: Iterable[User] = (), remove: Iterable[User] = ()
) -> Group:
    """Put people into a team, or take them out; made if it is not there. Private models are shared
    with people and teams."""
    name = names.label(name)
    team, made = Group.objects.get_or_create(name=name)
    added, removed = list(add), list(remove)
    team.user_set.add(*added)
    team.user_set.remove(*removed)
    lifecycle.record(
        EventKind.PERSON,
        by=by,
        subject=name,
        note="team made" if made else "team changed",
        data={"added": sorted(map(str, added)), "removed": sorted(map(str, removed))},
    )
    return team


@transaction.atomic
def set_password(user: User, password: str, *, by: User | None) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise UserError("field.invalid", detail=" ".join(error.messages)) from error
    user.set_password(password)
    user.save(update_fields=["password"])
    # Whoever resets somebody else's password shuts out what may have been in wrong hands.
    revoked = 0 if by == user else user.tokens.all().delete()[0]
    _record(user, by, "password set", tokens_revoked=revoked)


@transaction.atomic
def issue_token(
    user: User, *, by: User | None, name: str, scopes: Iterable[str], days: int | None = None
) -> tuple[ApiToken, str]:
    """A new token of ``user`` and its secret, which is shown this once."""
    token, secret = ApiToken.issue(user, name=name, scopes=scopes, days=days)
    _record(user, by, "token made", token=token.hint, scopes=token.scopes, days=days)
    return token, secret


@transaction.atomic
def revoke_token(token: ApiToken, *, by: User | None) -> None:
    _record(token.user, by, "token revoked", token=token.hint)
    token.delete()


def _record(user: User, by: User | None, what: str, **data: object) -> None:
    lifecycle.record(EventKind.PERSON, by=by, subject=user.username, note=what, data=dict(data))
