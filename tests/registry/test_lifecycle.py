from __future__ import annotations

import pytest

from registry import lifecycle
from registry.errors import UserError
from registry.models import Event, Version
from registry.states import MOVES, Stage, allowed
from tests.registry import making

pytestmark = pytest.mark.django_db


def test_every_stage_has_its_row_in_the_table_of_moves() -> None:
    assert set(MOVES) == set(Stage)


def test_nothing_is_published_without_having_been_in_review() -> None:
    assert [stage for stage in Stage if allowed(stage, Stage.PUBLISHED)] == [Stage.IN_REVIEW]


def test_a_move_is_journalled_with_who_and_why() -> None:
    version = making.version()
    reviewer = making.person()
    lifecycle.move(version, Stage.REJECTED, by=reviewer, note="not ours")
    event = Event.objects.get(version=version, kind="moved")
    assert (event.was, event.to, event.actor, event.note) == (
        "draft",
        "rejected",
        reviewer,
        "not ours",
    )


@pytest.mark.parametrize("stage", Stage)
def test_a_move_that_is_not_in_the_table_is_refused(stage: Stage) -> None:
    version = making.version()
    Version.objects.filter(pk=version.pk).update(stage=stage)
    version.refresh_from_db()
    for target in set(Stage) - MOVES[stage]:
        with pytest.raises(UserError, match=r"stage\.forbids"):
            lifecycle.move(version, target)
    assert not Event.objects.filter(version=version, kind="moved").exists()


def test_of_two_people_who_decide_at_once_the_second_is_told() -> None:
    version = making.version()
    first = Version.objects.get(pk=version.pk)
    second = Version.objects.get(pk=version.pk)
    lifecycle.move(first, Stage.RECEIVED)
    with pytest.raises(UserError, match=r"stage\.changed"):
        lifecycle.move(second, Stage.REJECTED)
    assert second.stage == Stage.RECEIVED
