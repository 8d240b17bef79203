from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from registry import reviews
from registry.models import Artifact, Download, Event, Preview
from registry.states import EventKind, Role, Stage
from tests.registry import making
from tests.registry.portal.conftest import signed_in

pytestmark = pytest.mark.django_db


def address(file: Artifact) -> str:
    return reverse("portal:download", args=[file.pk, file.name])


def published() -> Artifact:
    version = making.in_stage(Stage.IN_REVIEW)
    reviews.publish(version, by=making.person(Role.REVIEWER))
    return version.artifacts.get()


def body(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_a_published_file_is_downloaded_and_counted(member: Client) -> None:
    file = published()

    response = member.get(address(file))

    assert response.status_code == 200
    assert len(body(response)) == file.blob.size
    assert response["ETag"] == f'"{file.blob_id}"'
    file.refresh_from_db()
    assert file.downloads == 1


@pytest.mark.parametrize("stage", [s for s in Stage if s != Stage.PUBLISHED])
def test_nothing_leaves_before_it_is_published(reviewer: Client, stage: Stage) -> None:
    file = making.in_stage(stage).artifacts.get()

    assert reviewer.get(address(file)).status_code == 403
    assert not Download.objects.exists()


def test_evidence_is_for_reviewers_and_is_logged(member: Client, reviewer: Client) -> None:
    file = making.in_stage(Stage.QUARANTINED, verdict="malicious").artifacts.get()
    url = reverse("portal:evidence", args=[file.pk])

    assert member.post(url).status_code == 403
    assert signed_in(file.version.created_by).post(url).status_code == 403
    assert not Event.objects.filter(kind=EventKind.EVIDENCE).exists()

    response = reviewer.post(url)
    assert len(body(response)) == file.blob.size
    event = Event.objects.get(kind=EventKind.EVIDENCE)
    assert event.actor is not None
    assert event.actor.username == "rita"


def test_a_picture_is_seen_by_those_who_see_its_version(member: Client, reviewer: Client) -> None:
    file = making.in_stage(Stage.IN_REVIEW).artifacts.get()
    picture = Preview.objects.create(
        version=file.version, artifact=file, position=0, full=file.blob, medium=file.blob,
        small=file.blob, width=8, height=8,
    )  # fmt: skip
    url = reverse("portal:preview", args=[picture.pk, "small"])

    assert member.get(url).status_code == 404
    response = reviewer.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == "image/webp"
    assert reviewer.get(url.replace("small", "huge")).status_code == 404
