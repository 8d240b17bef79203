from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from registry import blobs, reviews, uploads
from registry.models import Blob, Version
from registry.pipeline import places, runs
from registry.states import Role, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_store() -> None:
    """Other tests' rows are gone, their bytes are not."""
    for _, digest in list(blobs.stored()):
        blobs.delete(digest)


def published(data: bytes | None = None) -> Version:
    version = making.version()
    making.judged(making.artifact(version, data=data))
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    version.refresh_from_db()
    reviews.publish(version, by=making.person(Role.REVIEWER))
    return version


def test_bytes_that_lie_where_they_should_are_left_alone() -> None:
    published()
    making.artifact(making.version())
    assert places.reconcile() == {"settled": 0, "strays": 0}


def test_what_a_crash_left_public_goes_back_into_quarantine() -> None:
    digest = making.artifact(making.version()).blob_id
    blobs.expose(digest)
    assert places.reconcile()["settled"] == 1
    assert not blobs.is_public(digest)


def test_what_a_crash_left_in_quarantine_is_served_again() -> None:
    digest = published().artifacts.get().blob_id
    blobs.confine(digest)
    assert places.reconcile()["settled"] == 1
    assert blobs.is_public(digest)


def test_what_was_condemned_later_leaves_the_public_place() -> None:
    artifact = published().artifacts.get()
    Blob.objects.filter(pk=artifact.blob_id).update(verdict="malicious")
    places.reconcile()
    assert not blobs.is_public(artifact.blob_id)


def test_deleting_the_published_version_ends_being_public_for_a_draft_of_the_same_bytes(
    django_capture_on_commit_callbacks: Any,
) -> None:
    data = making.safetensors(881)
    shown, draft = published(data), making.version()
    digest = making.artifact(draft, data=data).blob_id
    with django_capture_on_commit_callbacks(execute=True):
        uploads.delete_version(shown, by=shown.created_by)
    assert blobs.exists(digest)
    assert not blobs.is_public(digest)


@pytest.mark.django_db(transaction=True)
def test_bytes_of_a_transaction_that_was_rolled_back_are_collected() -> None:
    version = making.version()
    with pytest.raises(RuntimeError), transaction.atomic():
        digest = making.artifact(version).blob_id
        raise RuntimeError
    assert blobs.exists(digest)
    assert places.reconcile()["strays"] == 1
    # It might have been an upload under way: only later does it go.
    assert runs.collect() == 0
    Blob.objects.update(created_at=timezone.now() - runs.GRACE - timedelta(seconds=1))
    assert runs.collect() == 1
    assert not blobs.exists(digest)


def test_a_blob_without_bytes_stops_nothing() -> None:
    version = published()
    other = published()
    blobs.delete(version.artifacts.get().blob_id)
    blobs.confine(other.artifacts.get().blob_id)
    assert places.reconcile()["settled"] == 1
    assert blobs.is_public(other.artifacts.get().blob_id)
