from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.test import RequestFactory, override_settings
from rest_framework.test import APIClient

from registry import blobs, downloads, reviews, serving
from registry.errors import UserError
from registry.models import ApiToken, Artifact, Blob, Download, Preview, User, Version
from registry.states import Role, Scope, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db
DATA = bytes(range(256)) * 40  # 10,240 bytes
SIZE = len(DATA)
TAG = f'"{hashlib.sha256(DATA).hexdigest()}"'


def _published(name: str = "sky.safetensors", data: bytes = DATA) -> Artifact:
    version = making.version()
    making.judged(making.artifact(version, data=data, name=name))
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    version.refresh_from_db()
    reviews.publish(version, by=making.person(Role.REVIEWER))
    return Artifact.objects.select_related("version", "blob").get(version=version)


def _client(user: User) -> APIClient:
    _, secret = ApiToken.issue(user, name="test", scopes=Scope.values)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def _get(artifact: Artifact, method: str = "get", **headers: str) -> Any:
    path = f"/api/v1/artifacts/{artifact.pk}/download"
    return getattr(_client(making.person()), method)(path, headers=headers)


def _bytes(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def test_the_whole_file_comes_with_its_name_and_validators() -> None:
    artifact = _published()
    answer = _get(artifact)
    assert (answer.status_code, _bytes(answer)) == (200, DATA)
    assert answer["ETag"] == TAG
    assert answer["Content-Length"] == str(SIZE)
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == 'attachment; filename="sky.safetensors"'
    assert answer["Repr-Digest"].startswith("sha-256=:")
    assert "private" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-", (0, SIZE)),
        ("bytes=0-99", (0, 100)),
        ("bytes=100-199", (100, 200)),
        ("bytes=10000-", (10000, SIZE)),
        ("bytes=10000-99999999999999999999999", (10000, SIZE)),
        ("bytes=-5", (SIZE - 5, SIZE)),
        ("bytes=-99999999", (0, SIZE)),
        ("Bytes = 5 - 5", (5, 6)),
    ],
)
def test_a_range_is_answered_with_that_part(asked: str, span: tuple[int, int]) -> None:
    answer = _get(_published(), Range=asked)
    start, stop = span
    assert answer.status_code == 206
    assert _bytes(answer) == DATA[start:stop]
    assert answer["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer["Content-Length"] == str(stop - start)


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-9", "bytes=9-5", "bytes=-", "bytes=a-b", "lines=0-5", "0-5", "bytes=--5"]
)
def test_a_range_that_is_not_one_is_answered_with_the_whole(asked: str) -> None:
    answer = _get(_published(), Range=asked)
    assert (answer.status_code, _bytes(answer)) == (200, DATA)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999999999999999999-", "bytes=-0"])
def test_a_range_outside_of_the_file_is_not_satisfiable(asked: str) -> None:
    answer = _get(_published(), Range=asked)
    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize(
    ("condition", "status"),
    [(TAG, 206), ('"other"', 200), (f"W/{TAG}", 200), ("Sun, 22 Nov 2026 10:00:00 GMT", 200)],
)
def test_a_range_holds_only_for_the_same_bytes(condition: str, status: int) -> None:
    answer = _get(_published(), Range="bytes=5-9", **{"If-Range": condition})
    assert answer.status_code == status


@pytest.mark.parametrize("held", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
def test_bytes_that_a_client_has_are_not_sent_again(held: str) -> None:
    answer = _get(_published(), **{"If-None-Match": held})
    assert (answer.status_code, answer["ETag"], _bytes(answer)) == (304, TAG, b"")
    assert not Download.objects.exists()


def test_a_client_that_wants_other_bytes_is_told() -> None:
    artifact = _published()
    assert _get(artifact, **{"If-Match": '"other"'}).status_code == 412
    assert _get(artifact, **{"If-Match": TAG}).status_code == 200


def test_head_has_the_headers_and_no_body() -> None:
    answer = _get(_published(), "head", Range="bytes=0-5")
    assert answer.status_code == 200
    assert (answer["Content-Length"], answer["ETag"]) == (str(SIZE), TAG)
    assert _bytes(answer) == b""
    assert not Download.objects.exists()


@pytest.mark.parametrize(
    ("headers", "counted"),
    [
        ({}, 1),
        ({"Range": "bytes=0-"}, 1),
        ({"Range": "bytes=100-"}, 0),
        ({"Range": "bytes=-100"}, 0),
        ({"Range": "bytes=0-99"}, 0),
        ({"Range": "bytes=99999-"}, 0),
    ],
)
def test_a_download_is_counted_once(headers: dict[str, str], counted: int) -> None:
    artifact = _published()
    _get(artifact, **headers)
    artifact.refresh_from_db()
    assert artifact.downloads == counted == Download.objects.count()
    artifact.version.model.refresh_from_db()
    assert artifact.version.model.downloads == counted


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain.pt", 'attachment; filename="plain.pt"'),
        (
            "größe.pt",
            "attachment; filename=\"groe.pt\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.pt",
        ),
        ("猫.pt", "attachment; filename=\"file.pt\"; filename*=UTF-8''%E7%8C%AB.pt"),
        ('a"b\\c.pt', 'attachment; filename="a_b_c.pt"'),
    ],
)
def test_a_name_is_told_to_old_and_new_clients(name: str, expected: str) -> None:
    assert downloads.disposition(name) == expected


def test_what_was_withdrawn_meanwhile_is_not_served() -> None:
    artifact = _published()
    reviews.withdraw(artifact.version, by=making.person(Role.REVIEWER), note="licence")
    answer = _get(artifact)
    # Gone for members altogether; and were it asked for from inside, refused.
    assert answer.status_code == 404
    artifact.refresh_from_db()
    request = RequestFactory().get("/")
    with pytest.raises(UserError, match="not_published"):
        downloads.respond(request, Artifact.objects.get(pk=artifact.pk))


@pytest.mark.parametrize(
    ("stage", "verdict", "format", "code"),
    [
        (Stage.IN_REVIEW, "clean", "safetensors", "not_published"),
        (Stage.QUARANTINED, "clean", "safetensors", "quarantined"),
        (Stage.PUBLISHED, "clean", "torch-zip", "quarantined"),
        (Stage.PUBLISHED, "suspicious", "safetensors", "quarantined"),
        (Stage.WITHDRAWN, "clean", "safetensors", "not_published"),
    ],
)
def test_bytes_that_may_not_leave_do_not(
    stage: Stage, verdict: str, format: str, code: str
) -> None:
    version = making.version()
    artifact = making.judged(making.artifact(version), verdict, format)
    blobs.expose(artifact.blob_id)  # Even from the public folder.
    Version.objects.filter(pk=version.pk).update(stage=stage)
    path = f"/api/v1/artifacts/{artifact.pk}/download"
    for who in (version.model.owner, making.person(Role.ADMIN)):
        answer = _client(who).get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


@override_settings(WEIGHHOUSE_SENDFILE="nginx")
def test_nginx_sends_the_file_itself() -> None:
    artifact = _published()
    answer = _get(artifact)
    assert answer["X-Accel-Redirect"] == f"/_blobs/{blobs.public_name(artifact.blob_id)}"
    assert _bytes(answer) == b""
    resumed = _get(artifact, Range="bytes=5-9", **{"If-Range": TAG})
    assert "X-Accel-Redirect" not in resumed
    assert _bytes(resumed) == DATA[5:10]


@override_settings(WEIGHHOUSE_SENDFILE="nginx")
def test_evidence_is_never_left_to_nginx() -> None:
    version = making.in_stage(Stage.QUARANTINED, verdict="malicious")
    artifact = version.artifacts.get()
    reviewer = making.person(Role.REVIEWER)
    answer = _client(reviewer).post(f"/api/v1/artifacts/{artifact.pk}/evidence")
    assert "X-Accel-Redirect" not in answer
    assert hashlib.sha256(_bytes(answer)).hexdigest() == artifact.blob_id
    assert Download.objects.get().evidence
    assert serving.refusal(artifact) == "quarantined"


def test_a_large_file_is_read_in_pieces() -> None:
    data = b"\0" * (3 * 1024 * 1024)
    answer = _get(_published(data=data, name="zeros.safetensors"))
    sizes = [len(piece) for piece in answer.streaming_content]
    assert sum(sizes) == len(data)
    assert max(sizes) <= 256 * 1024


def _picture(version: Version) -> Preview:
    pictures = []
    for number in range(3):
        artifact = making.artifact(data=b"RIFF%dWEBP" % number)
        pictures.append(Blob.objects.get(pk=artifact.blob_id))
    small, medium, full = pictures
    return Preview.objects.create(
        version=version,
        artifact=version.artifacts.first(),
        position=0,
        small=small,
        medium=medium,
        full=full,
        width=64,
        height=64,
    )


def test_pictures_are_shown_to_whoever_sees_their_version() -> None:
    version = making.in_stage(Stage.IN_REVIEW)
    picture = _picture(version)
    owner = _client(version.model.owner)
    for number, size in enumerate(("small", "medium", "full")):
        answer = owner.get(f"/api/v1/previews/{picture.pk}/{size}")
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
        assert _bytes(answer) == b"RIFF%dWEBP" % number
        again = owner.get(
            f"/api/v1/previews/{picture.pk}/{size}", headers={"If-None-Match": answer["ETag"]}
        )
        assert again.status_code == 304
    assert _client(making.person()).get(f"/api/v1/previews/{picture.pk}/small").status_code == 404
    assert owner.get(f"/api/v1/previews/{picture.pk}/huge").status_code == 404


def test_a_version_withdrawn_since_it_was_looked_up_is_not_served() -> None:
    artifact = _published()
    Version.objects.filter(pk=artifact.version_id).update(stage=Stage.WITHDRAWN)
    request = RequestFactory().get("/")
    with pytest.raises(UserError, match=r"not_published"):
        downloads.respond(request, artifact)


def test_bytes_that_are_taken_back_at_this_moment_are_refused_and_no_failure_of_ours() -> None:
    artifact = _published()
    blobs.confine(artifact.blob_id)
    with pytest.raises(UserError, match=r"not_published"):
        downloads.respond(RequestFactory().get("/"), artifact)
