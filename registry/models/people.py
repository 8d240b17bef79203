"""People, their roles, and the tokens that stand in for them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from registry.models.fields import one_of
from registry.states import Role, Scope


class User(AbstractUser):
    """A person. The role decides what they may do; Django's own permissions are not used."""

    role = models.CharField(max_length=12, choices=Role.choices, default=Role.MEMBER)
    #: Where the site can send e-mail at all.
    notices_by_mail = models.BooleanField("Send me notices by e-mail", default=True)

    class Meta:
        constraints = [one_of("role", Role)]
        ordering = ["username"]

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == Role.ADMIN

    @property
    def is_reviewer(self) -> bool:
        return self.is_active and self.role in {Role.REVIEWER, Role.ADMIN}


class SignInAttempt(models.Model):
    """One password tried, until it proves right or is old. The name is kept as a keyed hash:
    people type passwords into the wrong field."""

    name = models.CharField(max_length=64)
    address = models.CharField(max_length=45, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["name", "at"], name="sign_in_attempt_by_name")]

    def __str__(self) -> str:
        return f"{self.name[:8]}… from {self.address}"


class ApiToken(models.Model):
    """A secret that acts for a person within its scopes. Only its hash is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    #: The first characters, so that a person can tell tokens apart.
    hint = models.CharField(max_length=12)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @staticmethod
    def digest_of(secret: str) -> str:
        # The secret has 256 bits of its own: a plain hash cannot be searched.
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(
        cls, user: User, *, name: str, scopes: Iterable[str], days: int | None = None
    ) -> tuple[ApiToken, str]:
        """A new token and its secret, which is shown this once."""
        secret = "wh_" + secrets.token_urlsafe(32)
        token = cls.objects.create(
            user=user,
            name=name,
            digest=cls.digest_of(secret),
            hint=secret[:9],
            scopes=sorted({Scope(scope).value for scope in scopes}),
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        return token, secret

    @classmethod
    def find(cls, secret: str) -> ApiToken | None:
        """The live token with this secret, of a person who is still active."""
        token = (
            cls.objects.select_related("user")
            .filter(digest=cls.digest_of(secret), user__is_active=True)
            .first()
        )
        return None if token is None or token.has_expired() else token

    def has_expired(self, now: datetime | None = None) -> bool:
        return self.expires_at is not None and self.expires_at <= (now or timezone.now())
