"""Notices by e-mail. Nothing waits for it, and nothing fails because of it."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.utils import timezone

from registry.models import Notice

log = structlog.get_logger(__name__)

ATTEMPTS = 3
#: How long the one who sends has, and how long a failure waits for the next attempt.
PATIENCE = timedelta(minutes=10)


def send(pk: int) -> None:
    """Send a notice, if that is owed still and nobody else is at it."""
    now = timezone.now()
    due = Notice.objects.filter(pk=pk, mail_due_at__lte=now, mail_attempts__lt=ATTEMPTS)
    if not due.update(mail_due_at=now + PATIENCE, mail_attempts=F("mail_attempts") + 1):
        return
    notice = Notice.objects.select_related("person").get(pk=pk)
    try:
        EmailMessage(
            subject=f"[Weighhouse] {notice.text}"[:200],
            body=_body(notice),
            to=[notice.person.email],
        ).send()
    except Exception as error:
        # Whatever the mail server says: the notice stands on the site.
        log.warning("mail.failed", notice=pk, error=f"{type(error).__name__}: {error}")
        if notice.mail_attempts < ATTEMPTS:
            return
    Notice.objects.filter(pk=pk).update(mail_due_at=None)


def _body(notice: Notice) -> str:
    parts = [notice.text, notice.note]
    if notice.link:
        parts.append(settings.WEIGHHOUSE_ADDRESS + notice.link)
    parts.append(f"--\nYour notices: {settings.WEIGHHOUSE_ADDRESS}/notices/")
    return "\n\n".join(part for part in parts if part)
