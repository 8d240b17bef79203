from __future__ import annotations

import pytest

from registry import catalogue, reports
from registry.models import Version
from registry.models.catalogue import MOST_TRIGGER_WORDS, TRIGGER_WORD_LENGTH
from tests.registry import making

pytestmark = pytest.mark.django_db


def found(version: Version, words: list[str]) -> Version:
    """``version`` described by a report whose metadata names these trigger words."""
    artifact = making.judged(making.artifact(version))
    report = artifact.blob.report()
    assert report is not None
    report.data["identity"]["trigger_words"] = words
    report.save()
    reports.describe(version)
    version.refresh_from_db()
    return version


def test_trigger_words_in_the_file_are_taken_over() -> None:
    assert found(making.version(), ["zanzibar style"]).trigger_words == ["zanzibar style"]


def test_the_uploaders_own_trigger_words_stand() -> None:
    model = making.model()
    version = catalogue.create_version(model, name="1", by=model.owner, trigger_words=["mine"])
    assert found(version, ["theirs"]).trigger_words == ["mine"]


def test_a_file_cannot_flood_a_version_with_trigger_words() -> None:
    words = ["x" * (TRIGGER_WORD_LENGTH + 1), " ", *(f"word {n}" for n in range(500))]
    kept = found(making.version(), words).trigger_words
    assert len(kept) == MOST_TRIGGER_WORDS
    assert kept[0] == "word 0"


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ([], ""),
        (["clean", ""], ""),
        (["clean", "suspicious"], "suspicious"),
        (["unreadable", "suspicious"], "unreadable"),
        (["malicious", "unreadable"], "malicious"),
    ],
)
def test_the_worst_verdict_counts_and_none_while_one_is_missing(
    verdicts: list[str], worst: str
) -> None:
    assert reports.worst(verdicts) == worst
