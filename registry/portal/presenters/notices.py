"""Notices as they are listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.models import Notice
from registry.portal.presenters import words
from registry.portal.presenters.words import Badge
from registry.states import NoticeKind

_SIGNS: Mapping[str, tuple[str, str]] = {
    NoticeKind.REVIEW: ("quiet", "clock"),
    NoticeKind.PUBLISHED: ("good", "check"),
    NoticeKind.CHANGES: ("warn", "pencil"),
    NoticeKind.REJECTED: ("bad", "cross"),
    NoticeKind.QUARANTINED: ("bad", "square"),
    NoticeKind.WITHDRAWN: ("bad", "cross"),
    NoticeKind.HELD: ("warn", "triangle"),
    NoticeKind.UNSAFE: ("bad", "triangle"),
    NoticeKind.WORSE: ("warn", "triangle"),
    NoticeKind.CLEARED: ("good", "check"),
    NoticeKind.NOT_MADE: ("warn", "triangle"),
}


@dataclass(frozen=True, slots=True)
class Row:
    notice: Notice
    badge: Badge
    text: str
    note: str
    is_new: bool
    #: Whether there is something left to go to.
    leads_on: bool


def rows(told: Iterable[Notice]) -> tuple[Row, ...]:
    return tuple(_row(notice) for notice in told)


def _row(notice: Notice) -> Row:
    tone, icon = _SIGNS[notice.kind]
    return Row(
        notice=notice,
        badge=Badge(NoticeKind(notice.kind).label, tone, icon),
        text=words.visible(notice.text),
        note=words.visible(notice.note),
        is_new=notice.read_at is None,
        leads_on=bool(notice.link and notice.version_id),
    )
