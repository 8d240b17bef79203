"""``manage.py reinspect`` and the sweeper's part in it, with the real engine."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest import MonkeyPatch

from registry import blobs, engine, policies
from registry.errors import EngineError
from registry.management.commands import sweep
from registry.models import Blob, Reinspection, Report
from registry.states import RunState, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch: MonkeyPatch) -> None:
    """The test's own transaction lives in it."""
    monkeypatch.setattr(sweep, "close_old_connections", lambda: None)


def _run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_everything_of_an_earlier_policy_is_inspected_here_and_now() -> None:
    for _ in range(3):
        making.in_stage(Stage.PUBLISHED)
    out = _run("reinspect")
    assert policies.in_force() == engine.policy()
    assert set(Blob.objects.values_list("policy", flat=True)) == {engine.policy()}
    assert f"3 of 3 under policy {engine.policy()}: 0 worse, 0 better." in out
    # Nothing is left to do a second time.
    seconds = list(Report.objects.order_by("pk").values_list("seconds", flat=True))
    _run("reinspect")
    assert list(Report.objects.order_by("pk").values_list("seconds", flat=True)) == seconds


def test_one_file_is_inspected_anew_by_the_beginning_of_its_digest() -> None:
    version = making.in_stage(Stage.PUBLISHED)
    making.in_stage(Stage.PUBLISHED)
    _run("reinspect")
    digest = version.artifacts.get().blob_id
    _run("reinspect", "--digest", digest[:12].upper())
    (row,) = Reinspection.objects.filter(anew=True)
    assert (row.blob_id, row.state) == (digest, RunState.DONE)


@pytest.mark.parametrize("word", ["0000", "nothing-of-the-kind"])
def test_a_digest_that_nothing_bears_is_said(word: str) -> None:
    making.in_stage(Stage.PUBLISHED)
    with pytest.raises(CommandError, match=word):
        _run("reinspect", "--digest", word)


def test_what_could_not_be_inspected_ends_with_an_error(monkeypatch: MonkeyPatch) -> None:
    version = making.in_stage(Stage.PUBLISHED)
    blob = version.artifacts.get().blob
    blobs.delete(blob.digest)
    monkeypatch.setattr("registry.pipeline.leases.ATTEMPTS", 1)
    monkeypatch.setattr("registry.pipeline.reinspection.ATTEMPTS", 1)
    with pytest.raises(CommandError, match="1 could not be inspected"):
        _run("reinspect")
    blob.refresh_from_db()
    assert blob.verdict == "clean"


def test_the_sweeper_learns_the_policy_and_rings(monkeypatch: MonkeyPatch) -> None:
    rung: list[int] = []

    def ring(args: tuple[int], **options: Any) -> None:
        rung.extend(args)

    monkeypatch.setattr("registry.pipeline.tasks.reinspect.apply_async", ring)
    making.in_stage(Stage.PUBLISHED)
    _run("sweep", "--once")
    assert policies.in_force() == engine.policy()
    assert rung == [Reinspection.objects.get().pk]


def test_an_engine_that_does_not_answer_leaves_the_policy_as_it_is(
    monkeypatch: MonkeyPatch,
) -> None:
    def silent() -> str:
        raise EngineError("engine.failed", "no scanner here")

    monkeypatch.setattr(engine, "policy", silent)
    policies.put_in_force("known")
    _run("sweep", "--once")
    assert policies.in_force() == "known"
    with pytest.raises(CommandError, match="no scanner here"):
        _run("reinspect")
