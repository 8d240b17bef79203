"""Which checkpoint stands for a base, and what follows when there is one."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry import bases, blobs, redraws, reviews, uploads, warm
from registry.errors import EngineError, UserError
from registry.models import Blob, Notice, Redraw, SmokeBase, SmokeTest, StepRun, Version
from registry.pipeline import bases as pipeline
from registry.pipeline import redraws as background
from registry.pipeline import runs, steps, tasks
from registry.states import EventKind, NoticeKind, Role, RunState, Stage, Step
from tests.registry import making
from tests.registry.pictures import Engine

pytestmark = pytest.mark.django_db

Commits = Callable[..., Any]


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rings that nobody hears: a test does the work itself."""
    heard: list[int] = []
    monkeypatch.setattr(tasks.redraw, "apply_async", lambda args, **_: heard.append(args[0]))
    return heard


def smoked(version: Version) -> Version:
    """After the ordinary step."""
    steps.smoke(version, lambda *_: None).commit()  # type: ignore[misc]
    return version


def smoke_of(version: Version) -> SmokeTest:
    return SmokeTest.objects.get(artifact__version=version)


def drawn_again(version: Version) -> Redraw:
    row = Redraw.objects.get(version=version)
    tasks.redraw(row.pk)
    row.refresh_from_db()
    return row


def test_a_published_checkpoint_stands_for_its_base() -> None:
    reviewer = making.person(Role.REVIEWER)
    file = making.checkpoint("sd1")
    row = bases.set_base(file, by=reviewer)
    assert (row.base, row.artifact, row.set_by) == ("sd1", file, reviewer)
    assert pipeline.of("sd1") == file
    assert pipeline.of("sdxl") is None
    event = file.version.events.get(kind=EventKind.BASE)
    assert (event.actor, event.data["base"]) == (reviewer, "sd1")


def test_another_takes_its_place_and_none_may() -> None:
    reviewer = making.person(Role.REVIEWER)
    bases.set_base(making.checkpoint("sd1"), by=reviewer)
    second = making.checkpoint("sd1")
    bases.set_base(second, by=reviewer)
    assert SmokeBase.objects.get().artifact == second
    bases.unset("sd1", by=reviewer)
    assert pipeline.of("sd1") is None
    assert second.version.events.filter(kind=EventKind.BASE).count() == 2
    with pytest.raises(UserError, match="not_found"):
        bases.unset("sd1", by=reviewer)


def test_only_what_is_published_clean_and_whole_can() -> None:
    reviewer = making.person(Role.REVIEWER)
    lora = making.in_stage(Stage.PUBLISHED).artifacts.get()
    draft = making.checkpoint("sd1")
    Version.objects.filter(pk=draft.version_id).update(stage=Stage.IN_REVIEW)
    partial = making.checkpoint("sd1")
    making.judged(partial, kind="checkpoint", components={"unet": {"state": "whole"}})
    private = making.checkpoint("sd1", making.version(making.model(visibility="private")))
    for file in (lora, draft, partial, private):
        with pytest.raises(UserError, match=r"base\.unfit"):
            bases.set_base(file, by=reviewer)
    with pytest.raises(UserError, match=r"access\.denied"):
        bases.set_base(making.checkpoint("sd1"), by=making.person())
    assert not SmokeBase.objects.exists()


def test_one_that_is_withdrawn_serves_no_more_until_it_is_back() -> None:
    reviewer = making.person(Role.REVIEWER)
    file = making.checkpoint("sd1")
    bases.set_base(file, by=reviewer)
    reviews.withdraw(file.version, by=reviewer, note="no")
    assert pipeline.of("sd1") is None
    Version.objects.filter(pk=file.version_id).update(stage=Stage.PUBLISHED)
    assert pipeline.of("sd1") == file
    making.judged(file, verdict="malicious", kind="checkpoint")
    assert pipeline.of("sd1") is None


def test_an_add_on_is_shown_on_the_base_that_there_is(draws: Engine) -> None:
    draws.wants = "sd1"
    file = making.checkpoint("sd1", making.version(making.model(name="Base, the"), "1.5"))
    bases.set_base(file, by=making.person(Role.REVIEWER))
    version = making.in_stage(Stage.CONVERTED)
    Version.objects.filter(pk=version.pk).update(trigger_words=["ink wash", "crane"])
    smoked(version)
    test = smoke_of(version)
    assert (test.verdict, test.base, test.wants) == ("passed", file, "")
    (asked,) = draws.asked
    assert (asked.trigger, asked.base_model) == ("ink wash, crane", "Base the 1.5")
    # A LoRA goes by its file's name, as in a prompt.
    assert asked.model == "tiny"
    shown = list(version.previews.values_list("role", "strength", "group"))
    assert shown == [("base", None, 1), ("model", 0.5, 1), ("model", 1.0, 1)]
    assert test.sheet is not None
    assert (test.sheet_width, test.sheet_height) == (96, 72)
    picture = version.previews.all()[0]
    assert (picture.width, picture.medium_width, picture.small_width) == (64, 32, 16)


def test_what_lacks_a_part_is_asked_twice(draws: Engine) -> None:
    draws.wants = "sd1"
    file = making.checkpoint("sd1")
    bases.set_base(file, by=None)
    version = making.in_stage(Stage.CONVERTED)
    making.judged(version.artifacts.get(), kind="checkpoint", base="sd1")
    smoked(version)
    assert [asked.base is not None for asked in draws.asked] == [False, True]
    assert smoke_of(version).base == file


def test_own_prompts_come_along(draws: Engine) -> None:
    version = making.in_stage(Stage.CONVERTED)
    Version.objects.filter(pk=version.pk).update(prompts=["a crane in the rain"])
    smoked(version)
    assert draws.asked[0].prompts == ("", "a crane in the rain")
    assert {picture.prompt for picture in version.previews.all()} == {
        "a red circle", "a crane in the rain",
    }  # fmt: skip


def test_what_was_skipped_for_want_of_a_base_is_drawn_when_there_is_one(
    draws: Engine,
    rung: list[int],
    django_capture_on_commit_callbacks: Commits,
) -> None:
    draws.wants = "sd1"
    published, waiting = (making.in_stage(s) for s in (Stage.PUBLISHED, Stage.IN_REVIEW))
    draft, other = making.in_stage(Stage.DRAFT), making.in_stage(Stage.PUBLISHED)
    for version in (published, waiting, draft):
        assert smoke_of(smoked(version)).wants == "sd1"
    draws.wants = "sdxl"
    smoked(other)
    draws.wants = "sd1"
    with django_capture_on_commit_callbacks(execute=True):
        bases.set_base(making.checkpoint("sd1"), by=None)
    assert set(Redraw.objects.values_list("version", flat=True)) == {published.pk, waiting.pk}
    assert len(rung) == 2
    for version in (published, waiting):
        assert drawn_again(version).state == RunState.DONE
        stage = version.stage
        version.refresh_from_db()
        assert version.stage == stage
        assert (smoke_of(version).verdict, version.previews.count()) == ("passed", 3)
        assert version.events.filter(kind=EventKind.REDRAWN).exists()
    assert not version.reviews.exists()
    assert not background.lacking().exists()


def test_one_that_no_base_helps_is_tried_once_with_each(draws: Engine) -> None:
    draws.wants = "sd1"
    version = smoked(making.in_stage(Stage.PUBLISHED))
    first = making.checkpoint("sd1")
    bases.set_base(first, by=None)
    SmokeTest.objects.update(base=first)
    assert not background.lacking().exists()
    bases.set_base(making.checkpoint("sd1"), by=None)
    assert list(background.lacking()) == [version]


def test_uploads_go_first(draws: Engine) -> None:
    version = smoked(making.in_stage(Stage.PUBLISHED))
    row = redraws.ask(version, by=making.person(Role.REVIEWER))
    upload = StepRun.objects.create(version=making.in_stage(Stage.CONVERTED), step=Step.SMOKE)
    assert background.fill() == 0
    tasks.redraw(row.pk)
    row.refresh_from_db()
    assert (row.state, row.rung_at) == (RunState.WAITING, None)
    upload.delete()
    assert background.fill() == 1


def test_one_that_is_under_way_gives_way(
    draws: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = smoked(making.in_stage(Stage.PUBLISHED))
    row = redraws.ask(version, by=making.person(Role.REVIEWER))
    answers = iter([False, True])
    monkeypatch.setattr(background, "uploads_wait", lambda: next(answers, False))
    tasks.redraw(row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.gave_way) == (RunState.WAITING, 0, 1)
    assert drawn_again(version).state == RunState.DONE


def test_a_reviewer_has_it_drawn_again(draws: Engine) -> None:
    version = smoked(making.in_stage(Stage.IN_REVIEW))
    before = set(version.previews.values_list("pk", flat=True))
    reviewer = making.person(Role.REVIEWER)
    row = redraws.ask(version, by=reviewer)
    assert redraws.ask(version, by=reviewer).pk == row.pk
    assert drawn_again(version).state == RunState.DONE
    assert not before & set(version.previews.values_list("pk", flat=True))
    assert redraws.ask(version, by=reviewer).state == RunState.WAITING


def test_others_and_other_stages_may_not() -> None:
    reviewer = making.person(Role.REVIEWER)
    version = making.in_stage(Stage.PUBLISHED)
    assert not redraws.may_ask(version, version.created_by)
    with pytest.raises(UserError, match=r"access\.denied"):
        redraws.ask(version, by=version.created_by)
    with pytest.raises(UserError, match=r"stage\.forbids"):
        redraws.ask(making.in_stage(Stage.DRAFT), by=reviewer)
    with pytest.raises(UserError, match=r"smoke\.nothing"):
        redraws.ask(making.in_stage(Stage.IN_REVIEW, verdict="suspicious"), by=reviewer)


def test_a_version_that_went_another_way_keeps_what_it_had(
    draws: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = smoked(making.in_stage(Stage.PUBLISHED))
    redraws.ask(version, by=making.person(Role.REVIEWER))
    real = background._finish

    def late(hold: Any, drawn: Any) -> None:
        Version.objects.filter(pk=version.pk).update(stage=Stage.WITHDRAWN)
        real(hold, drawn)

    monkeypatch.setattr(background, "_finish", late)
    made = smoke_of(version).created_at
    assert drawn_again(version).state == RunState.CANCELLED
    assert smoke_of(version).created_at == made


def test_three_failures_end_it_and_the_pictures_stay(
    draws: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EngineError("engine.killed", "signal 9")

    version = smoked(making.in_stage(Stage.PUBLISHED))
    SmokeTest.objects.update(wants="sd1")
    bases.set_base(making.checkpoint("sd1"), by=None)
    background.fill()
    monkeypatch.setattr(warm, "smoke", broken)
    for _ in range(3):
        Redraw.objects.update(due_at=version.created_at)
        row = drawn_again(version)
    assert (row.state, row.error_code) == (RunState.FAILED, "engine.killed")
    version.refresh_from_db()
    assert (version.stage, version.problem) == (Stage.PUBLISHED, {})
    assert version.previews.exists()
    # Not over and over: only another base, or a person, begins anew.
    assert not background.lacking().exists()
    bases.set_base(making.checkpoint("sd1"), by=None)
    assert list(background.lacking()) == [version]


def test_whoever_asked_is_told_when_it_cannot_be_done(
    draws: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EngineError("engine.killed", "signal 9")

    reviewer = making.person(Role.REVIEWER)
    version = smoked(making.in_stage(Stage.PUBLISHED))
    redraws.ask(version, by=reviewer)
    Redraw.objects.update(attempts=2)
    monkeypatch.setattr(warm, "smoke", broken)
    assert drawn_again(version).state == RunState.FAILED
    told = Notice.objects.get(kind=NoticeKind.NOT_MADE)
    assert (told.person, told.note) == (reviewer, "signal 9")
    assert redraws.ask(version, by=reviewer).state == RunState.WAITING


def test_the_sweeper_takes_from_the_dead_and_finds_what_was_missed(
    draws: Engine,
    rung: list[int],
) -> None:
    draws.wants = "sd1"
    bases.set_base(making.checkpoint("sd1"), by=None)
    version = making.in_stage(Stage.PUBLISHED)
    # Skipped a moment before the base was there, and the ring was lost.
    SmokeTest.objects.create(
        artifact=version.artifacts.get(), verdict="skipped", data={}, wants="sd1"
    )
    assert background.sweep() == {"redraws_lost": 0, "redraws_rung": 1}
    row = Redraw.objects.get()
    assert rung == [row.pk]
    Redraw.objects.update(state=RunState.RUNNING, attempts=1, lease_until=version.created_at)
    assert background.sweep()["redraws_lost"] == 1
    row.refresh_from_db()
    assert (row.state, row.error_code) == (RunState.WAITING, "worker.lost")


def test_sheets_are_kept_while_they_are_shown_and_go_with_the_version(
    draws: Engine,
    django_capture_on_commit_callbacks: Commits,
) -> None:
    version = smoked(making.in_stage(Stage.PUBLISHED))
    sheet = smoke_of(version).sheet_id
    assert sheet
    Blob.objects.update(created_at=version.created_at.replace(year=2020))
    assert runs.collect() == 0
    with django_capture_on_commit_callbacks(execute=True):
        uploads.delete_version(version, by=version.created_by)
    assert not blobs.exists(sheet)


def test_the_command_line_sets_lists_and_unsets() -> None:
    file = making.checkpoint("sd1")
    out = StringIO()
    call_command("smoke_base", "--set", str(file.pk), stdout=out)
    assert out.getvalue().split()[0] == "sd1"
    call_command("smoke_base", "--set", file.blob_id, stdout=out)
    Version.objects.update(stage=Stage.WITHDRAWN)
    out = StringIO()
    call_command("smoke_base", stdout=out)
    assert "not served" in out.getvalue()
    out = StringIO()
    call_command("smoke_base", "--unset", "sd1", stdout=out)
    assert out.getvalue() == ""
    for wrong in (["--unset", "sd1"], ["--set", "0"], ["--set", str(file.pk)]):
        with pytest.raises(CommandError):
            call_command("smoke_base", *wrong)
