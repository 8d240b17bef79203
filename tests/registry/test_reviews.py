from __future__ import annotations

import pytest

from registry import blobs, reviews, serving, uploads
from registry.errors import UserError
from registry.models import Review, Version
from registry.states import Role, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


def test_publishing_makes_a_clean_file_servable() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    artifact = version.artifacts.get()
    assert serving.refusal(artifact) == "not_published"
    reviews.publish(version, by=making.person(Role.REVIEWER), note="fine")
    artifact = version.artifacts.get()
    assert serving.refusal(artifact) is None
    assert blobs.is_public(artifact.blob_id)
    assert Review.objects.get(version=version).verdict == "clean"


def test_withdrawing_puts_the_bytes_back_into_quarantine() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviewer = making.person(Role.REVIEWER)
    reviews.publish(version, by=reviewer)
    reviews.withdraw(version, by=reviewer, note="licence")
    artifact = version.artifacts.get()
    assert not blobs.is_public(artifact.blob_id)
    assert serving.refusal(artifact) == "not_published"


def test_bytes_that_another_published_version_needs_stay_public() -> None:
    data = making.safetensors(4242)
    reviewer = making.person(Role.REVIEWER)
    versions = []
    for _ in range(2):
        version = making.version()
        making.judged(making.artifact(version, data=data))
        Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
        version.refresh_from_db()
        reviews.publish(version, by=reviewer)
        versions.append(version)
    digest = versions[0].artifacts.get().blob_id
    reviews.withdraw(versions[0], by=reviewer, note="old")
    assert blobs.is_public(digest)
    reviews.withdraw(versions[1], by=reviewer, note="old")
    assert not blobs.is_public(digest)


@pytest.mark.parametrize("verdict", ["suspicious", "unreadable", "malicious"])
def test_a_version_without_a_clean_file_cannot_be_published(verdict: str) -> None:
    version = making.in_stage(Stage.IN_REVIEW, verdict=verdict)
    with pytest.raises(UserError, match=r"review\.no_clean_file"):
        reviews.publish(version, by=making.person(Role.REVIEWER))
    version.refresh_from_db()
    assert version.stage == Stage.IN_REVIEW


def test_a_pickle_is_never_served_as_uploaded_however_clean() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    pickle = making.judged(making.artifact(making.version()), format="torch-zip")
    assert not serving.fit_to_publish(pickle)
    Version.objects.filter(pk=pickle.version_id).update(stage=Stage.PUBLISHED)
    pickle.version.refresh_from_db()
    assert serving.refusal(pickle) == "quarantined"
    assert version.stage == Stage.IN_REVIEW


def test_a_member_decides_nothing() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    for decide in (reviews.publish, reviews.reject, reviews.ask_for_changes):
        with pytest.raises(UserError, match=r"access\.denied"):
            decide(version, by=making.person(), note="please")


def test_an_own_upload_needs_another_reviewer_while_there_is_one() -> None:
    author = making.person(Role.REVIEWER)
    version = making.in_stage(Stage.IN_REVIEW, making.version(making.model(author)))
    assert reviews.may_decide(version, author)
    other = making.person(Role.REVIEWER)
    assert not reviews.may_decide(version, author)
    with pytest.raises(UserError, match=r"review\.own_upload"):
        reviews.publish(version, by=author)
    reviews.publish(version, by=other)


@pytest.mark.parametrize("decide", [reviews.reject, reviews.ask_for_changes])
def test_a_refusal_says_why(decide: object) -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    with pytest.raises(UserError, match=r"note\.needed"):
        decide(version, by=making.person(Role.REVIEWER), note="  ")  # type: ignore[operator]


def test_changes_asked_for_make_it_a_draft_again() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.ask_for_changes(version, by=making.person(Role.REVIEWER), note="name the base")
    assert version.stage == Stage.DRAFT


def test_what_was_quarantined_is_brought_back_by_a_reviewer_only() -> None:
    version = making.in_stage(Stage.QUARANTINED)
    with pytest.raises(UserError, match=r"access\.denied"):
        reviews.retry(version, by=version.created_by)
    reviews.retry(version, by=making.person(Role.REVIEWER))
    assert version.stage == Stage.RECEIVED
    assert version.runs.get().step == "inspect"


@pytest.mark.parametrize("stage", [Stage.QUARANTINED, Stage.REJECTED, Stage.WITHDRAWN])
def test_handing_in_is_no_way_back_from_a_refusal(stage: Stage) -> None:
    version = making.in_stage(stage)
    with pytest.raises(UserError, match=r"stage\.forbids"):
        uploads.submit(version, by=version.created_by)
    version.refresh_from_db()
    assert version.stage == stage


@pytest.mark.parametrize("stage", [Stage.DRAFT, Stage.IN_REVIEW, Stage.PUBLISHED])
def test_there_is_nothing_to_try_again_where_nothing_went_wrong(stage: Stage) -> None:
    version = making.in_stage(stage)
    with pytest.raises(UserError, match=r"stage\.forbids"):
        reviews.retry(version, by=making.person(Role.REVIEWER))


def test_a_held_version_that_was_rejected_is_not_held_any_more() -> None:
    version = making.in_stage(Stage.RECEIVED)
    Version.objects.filter(pk=version.pk).update(problem={"code": "engine.killed"})
    version.refresh_from_db()
    reviews.reject(version, by=making.person(Role.REVIEWER), note="broken")
    version.refresh_from_db()
    assert not version.is_held
    with pytest.raises(UserError, match=r"access\.denied"):
        reviews.retry(version, by=version.created_by)


def test_who_added_a_file_does_not_approve_it_either() -> None:
    version = making.version()
    admin, reviewer = making.person(Role.ADMIN), making.person(Role.REVIEWER)
    uploads.receive([making.safetensors(5)], version=version, name="a.safetensors", by=admin)
    assert not reviews.may_decide(version, admin)
    assert reviews.may_decide(version, reviewer)
