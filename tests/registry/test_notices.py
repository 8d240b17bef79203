from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage
from django.utils import timezone
from pytest import MonkeyPatch
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from registry import mail, notices, reviews, uploads
from registry.errors import UserError
from registry.models import Notice, User, Version
from registry.states import NoticeKind, Role, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


def told(person: User) -> list[str]:
    return list(notices.of(person).values_list("kind", flat=True))


@pytest.fixture
def rita() -> User:
    return making.person(Role.REVIEWER, "rita")


def test_an_uploader_is_told_what_was_decided_and_why(rita: User) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.ask_for_changes(version, by=rita, note="Name a licence.")
    (notice,) = notices.of(version.created_by)
    assert (notice.kind, notice.note) == (NoticeKind.CHANGES, "Name a licence.")
    assert "rita" in notice.text and version.model.name in notice.text
    assert notice.link == version.get_absolute_url()
    assert not told(rita)


def test_nobody_is_told_of_what_they_did_themselves() -> None:
    boss = making.person(Role.ADMIN, "boss")
    version = making.in_stage(Stage.IN_REVIEW, making.version(making.model(boss)))
    reviews.publish(version, by=boss)
    reviews.withdraw(version, by=boss, note="old")
    assert told(boss) == []


def test_reviewers_are_told_of_what_waits_until_somebody_decides(rita: User) -> None:
    from registry import lifecycle

    other = making.person(Role.REVIEWER)
    version = making.in_stage(Stage.SMOKE_TESTED)
    lifecycle.move(version, Stage.IN_REVIEW)
    assert (notices.unread(rita), notices.unread(other)) == (1, 1)
    reviews.publish(version, by=rita)
    assert (notices.unread(rita), notices.unread(other)) == (0, 0)


def test_a_thousand_imports_are_no_thousand_notices(rita: User) -> None:
    from registry import lifecycle

    for _ in range(notices.MOST_REVIEW_NOTICES + 3):
        lifecycle.move(making.in_stage(Stage.SMOKE_TESTED), Stage.IN_REVIEW)
    assert notices.unread(rita) == notices.MOST_REVIEW_NOTICES


def test_a_notice_outlives_what_it_is_about(rita: User) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    owner = version.created_by
    reviews.reject(version, by=rita, note="no")
    named = str(version)
    uploads.delete_version(Version.objects.get(pk=version.pk), by=owner)
    (notice,) = notices.of(owner)
    assert (notice.version, notice.subject) == (None, named)


def test_only_ones_own_notices_can_be_read(rita: User) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.reject(version, by=rita, note="no")
    notice = notices.of(version.created_by).get()
    with pytest.raises(UserError, match="not_found"):
        notices.read(rita, notice.pk)
    notices.read(version.created_by, notice.pk)
    assert notices.unread(version.created_by) == 0


def test_what_was_read_long_ago_is_forgotten(rita: User) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.reject(version, by=rita, note="no")
    assert notices.forget() == 0
    Notice.objects.update(read_at=timezone.now() - notices.READ_KEPT - timedelta(days=1))
    assert notices.forget() == 1


@pytest.fixture
def mailing(settings: Settings) -> None:
    settings.WEIGHHOUSE_MAIL = True
    settings.WEIGHHOUSE_ADDRESS = "https://models.example.org"


def rejected(rita: User, **fields: object) -> Notice:
    version = making.in_stage(Stage.IN_REVIEW)
    User.objects.filter(pk=version.created_by_id).update(email="up@example.org", **fields)
    reviews.reject(Version.objects.get(pk=version.pk), by=rita, note="Not yours to share.")
    return Notice.objects.get(kind=NoticeKind.REJECTED)


def test_a_notice_is_mailed_once_with_a_link(rita: User, mailing: None) -> None:
    notice = rejected(rita)
    mail.send(notice.pk)
    mail.send(notice.pk)
    (sent,) = outbox.outbox
    assert sent.to == ["up@example.org"]
    assert notice.text in sent.subject
    assert "Not yours to share." in sent.body
    assert f"https://models.example.org{notice.link}" in sent.body
    notice.refresh_from_db()
    assert notice.mail_due_at is None


@pytest.mark.usefixtures("mailing")
def test_who_wants_no_mail_gets_none(rita: User) -> None:
    assert rejected(rita, notices_by_mail=False).mail_due_at is None


def test_a_site_without_a_mail_server_owes_none(rita: User) -> None:
    assert rejected(rita).mail_due_at is None


def test_a_mail_server_that_refuses_holds_up_nobody(
    rita: User, mailing: None, monkeypatch: MonkeyPatch
) -> None:
    def refuse(self: EmailMessage, fail_silently: bool = False) -> int:
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(EmailMessage, "send", refuse)
    notice = rejected(rita)
    for attempt in range(1, mail.ATTEMPTS + 2):
        Notice.objects.filter(mail_due_at__isnull=False).update(mail_due_at=timezone.now())
        mail.send(notice.pk)
        notice.refresh_from_db()
        assert notice.mail_attempts == min(attempt, mail.ATTEMPTS)
    assert notice.mail_due_at is None
    assert notices.unread(notice.person) == 1


def test_a_mail_that_nobody_rang_for_is_rung_for_again(
    rita: User,
    mailing: None,
    monkeypatch: MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rung: list[int] = []

    def no_broker(name: str, args: tuple[int], **options: object) -> None:
        rung.extend(args)
        raise ConnectionError("no broker")

    monkeypatch.setattr(notices.current_app, "send_task", no_broker)
    with django_capture_on_commit_callbacks(execute=True):
        notice = rejected(rita)
    assert notice.pk in rung
    rung.clear()
    assert notices.ring_again() == 0
    Notice.objects.filter(pk=notice.pk).update(mail_due_at=timezone.now() - timedelta(hours=1))
    assert notices.ring_again() == 1 and rung == [notice.pk]
