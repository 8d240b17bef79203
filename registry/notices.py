"""Telling people what concerns them: on the site, and by e-mail where that is set up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from registry.errors import UserError
from registry.models import Decision, Notice, User, Version
from registry.states import NoticeKind, Role, Stage

log = structlog.get_logger(__name__)

#: A reviewer who has so many unread is not told of further ones: the queue has them all.
MOST_REVIEW_NOTICES = 20
READ_KEPT = timedelta(days=90)
KEPT = timedelta(days=365)
#: By name, as Celery knows it: the tasks are above us.
_MAIL_TASK = "weighhouse.mail"


def tell(
    people: Iterable[User],
    kind: NoticeKind,
    version: Version,
    text: str,
    *,
    note: str = "",
    link: str | None = None,
    by: User | None = None,
) -> None:
    """Tell each of ``people`` once, less the one who did it. ``link`` is the version's page if left
    out, and empty where they could not open that."""
    told = {person.pk: person for person in people if person.is_active}
    if by is not None:
        told.pop(by.pk, None)
    now = timezone.now()
    made = Notice.objects.bulk_create(
        Notice(
            person=person,
            kind=kind,
            version=version,
            subject=str(version)[:255],
            text=text,
            note=note,
            link=version.get_absolute_url() if link is None else link,
            mail_due_at=now if _wants_mail(person) else None,
        )
        for person in told.values()
    )
    owed = [notice.pk for notice in made if notice.mail_due_at]
    if owed:
        transaction.on_commit(lambda: _ring(owed))


def _wants_mail(person: User) -> bool:
    return bool(settings.WEIGHHOUSE_MAIL and person.email and person.notices_by_mail)


def _ring(pks: Iterable[int]) -> None:
    for pk in pks:
        try:
            current_app.send_task(_MAIL_TASK, (pk,), queue="mail")
        except Exception as error:
            # The row says that a mail is owed: the sweeper rings again.
            log.warning("broker.unreachable", notice=pk, error=str(error))
            return


def ring_again(patience: timedelta = timedelta(minutes=2)) -> int:
    """Ring for e-mails that are owed and that nobody took up."""
    late = Notice.objects.filter(mail_due_at__lt=timezone.now() - patience)
    owed = list(late.values_list("pk", flat=True)[:100])
    _ring(owed)
    return len(owed)


def moved(version: Version, *, was: Stage, to: Stage, by: User | None, note: str) -> None:
    """A version changed its stage: tell whom it concerns."""
    if was is Stage.IN_REVIEW:
        # Nobody needs to be told any more that it waits.
        waiting = Notice.objects.filter(version=version, kind=NoticeKind.REVIEW)
        waiting.filter(read_at=None).update(read_at=timezone.now(), mail_due_at=None)
    hand = f" by {by.username}" if by else ""
    if to is Stage.IN_REVIEW:
        text = f"{version} waits for a decision."
        tell(_free_reviewers(), NoticeKind.REVIEW, version, text, by=by)
    elif to is Stage.PUBLISHED:
        text = f"{version} was published{hand}."
        tell(uploaders(version), NoticeKind.PUBLISHED, version, text, note=note, by=by)
    elif to is Stage.DRAFT:
        text = f"{version} was sent back{hand}: changes are asked for."
        tell(uploaders(version), NoticeKind.CHANGES, version, text, note=note, by=by)
    elif to is Stage.REJECTED:
        text = f"{version} was rejected{hand}."
        tell(uploaders(version), NoticeKind.REJECTED, version, text, note=note, by=by)
    elif to is Stage.QUARANTINED:
        text = f"{version} was put into quarantine{hand}."
        people = {*uploaders(version), *reviewers()}
        tell(people, NoticeKind.QUARANTINED, version, text, note=note, by=by)
    elif to is Stage.WITHDRAWN:
        text = f"{version} was withdrawn{hand}, and is no longer served."
        tell(answerable(version), NoticeKind.WITHDRAWN, version, text, note=note, by=by)


def held(version: Version, why: str) -> None:
    """A step of the version failed for good: a person is needed."""
    text = f"{version} is held: a step failed three times."
    tell({*uploaders(version), *reviewers()}, NoticeKind.HELD, version, text, note=why)


def stuck(version: Version, why: str) -> None:
    """A stored file cannot be inspected again. One notice stands for as many as there are."""
    page = reverse("portal:policy")
    aware = Notice.objects.filter(kind=NoticeKind.HELD, link=page, read_at=None)
    people = reviewers() - set(User.objects.filter(notices__in=aware))
    text = f"Files could not be inspected again, of {version} for one. Their verdicts stand."
    tell(people, NoticeKind.HELD, version, text, note=why, link=page)


def not_made(version: Version, asked_by: User | None, what: str, why: str) -> None:
    """Something that a person asked for could not be made; the version is none the worse."""
    if asked_by is None:
        return
    text = f"{what} of {version}, which you asked for, could not be made."
    tell([asked_by], NoticeKind.NOT_MADE, version, text, note=why)


def worse(version: Version, why: str) -> None:
    """A later inspection found more in a version than the first, though not enough to stop it."""
    text = f"{version} was inspected again, and needs another look."
    people = reviewers() if version.stage != Stage.PUBLISHED else answerable(version)
    tell(people, NoticeKind.WORSE, version, text, note=why)


def cleared(version: Version) -> None:
    """A later inspection found nothing in a version that an earlier one had quarantined."""
    text = f"{version} was inspected again: what put it into quarantine is no longer found."
    note = "It stays there until a reviewer has it inspected anew."
    tell(reviewers(), NoticeKind.CLEARED, version, text, note=note)


def unsafe(people: Iterable[User], version: Version, file: str, sha256: str, why: str) -> None:
    """People have a copy of a file that is no longer considered safe."""
    text = f"You downloaded {file} of {version}, which is no longer considered safe."
    note = f"Do not load it, and delete your copy. {why}".strip() + f"\nSHA-256 {sha256}"
    tell(people, NoticeKind.UNSAFE, version, text, note=note, link="")


def uploaders(version: Version) -> set[User]:
    return {version.created_by, version.model.owner}


def reviewers() -> set[User]:
    return set(User.objects.filter(is_active=True, role__in=[Role.REVIEWER, Role.ADMIN]))


def answerable(version: Version) -> set[User]:
    """Who brought it in, who published it, and the admins."""
    published = version.reviews.filter(decision=Decision.PUBLISH).select_related("reviewer")
    admins = User.objects.filter(is_active=True, role=Role.ADMIN)
    return uploaders(version) | {review.reviewer for review in published} | set(admins)


def _free_reviewers() -> list[User]:
    unread = Notice.objects.filter(kind=NoticeKind.REVIEW, read_at=None)
    return [
        person
        for person in reviewers()
        if unread.filter(person=person).count() < MOST_REVIEW_NOTICES
    ]


def of(person: User) -> QuerySet[Notice]:
    """What ``person`` was told, newest first."""
    return Notice.objects.filter(person=person)


def unread(person: User) -> int:
    return of(person).filter(read_at=None).count()


def read(person: User, pk: int) -> Notice:
    """Mark one as read; ``UserError("not_found")`` where it is not theirs."""
    notice = of(person).filter(pk=pk).first()
    if notice is None:
        raise UserError("not_found")
    if notice.read_at is None:
        notice.read_at = timezone.now()
        notice.save(update_fields=["read_at"])
    return notice


def read_all(person: User) -> int:
    return of(person).filter(read_at=None).update(read_at=timezone.now())


def forget() -> int:
    """Remove what was read long ago, and everything that is older still."""
    now = timezone.now()
    old = Notice.objects.filter(read_at__lt=now - READ_KEPT) | Notice.objects.filter(
        at__lt=now - KEPT
    )
    return old.delete()[0]
