from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.test import override_settings

from registry.models import Artifact, Blob, Version
from registry.states import Role, Stage
from tests.registry import making
from tests.registry.api.conftest import Caller
from tests.registry.bodies import CONTENT_TYPE, field, file, form

pytestmark = pytest.mark.django_db
RAW = "application/octet-stream"


def _address(version: Version, query: str = "") -> str:
    return f"/api/v1/versions/{version.pk}/artifacts{query}"


def test_a_form_with_one_file_answers_with_its_digest(caller: Caller) -> None:
    version, data = making.version(), making.safetensors(11)
    body = form(field("anything", "else"), file(data, "a.safetensors"))
    answer = caller(version.created_by).post(_address(version), body, content_type=CONTENT_TYPE)
    assert answer.status_code == 201
    assert answer.json() == {
        "id": version.artifacts.get().pk,
        "name": "a.safetensors",
        "role": "upload",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_a_raw_body_is_a_file(caller: Caller) -> None:
    version, data = making.version(), making.safetensors(12)
    client = caller(version.created_by)
    answer = client.generic("POST", _address(version, "/?name=b.ckpt"), data, RAW)
    assert answer.status_code == 201
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()


def test_what_curl_calls_a_form_without_being_one_is_a_raw_body(caller: Caller) -> None:
    version = making.version()
    answer = caller(version.created_by).generic(
        "POST", _address(version, "?name=c.pt"), b"a=b", "application/x-www-form-urlencoded"
    )
    assert answer.status_code == 201
    assert answer.json()["size"] == 3


def test_several_files_in_one_form_are_all_kept(caller: Caller) -> None:
    version = making.version()
    body = form(file(b"first", "1.pt"), file(b"second", "2.pt"), file(b"third", "3.pt"))
    answer = caller(version.created_by).post(_address(version), body, content_type=CONTENT_TYPE)
    assert answer.status_code == 201
    assert [each["name"] for each in answer.json()["artifacts"]] == ["1.pt", "2.pt", "3.pt"]


def test_a_form_is_taken_whole_or_not_at_all(caller: Caller, nothing_left: None) -> None:
    version = making.version()
    body = form(file(b"first one", "1.pt"), file(b"second one", "../2.pt"))
    answer = caller(version.created_by).post(_address(version), body, content_type=CONTENT_TYPE)
    assert answer.json()["code"] == "file.name"
    assert not version.artifacts.exists()


def test_a_name_in_any_alphabet_stays_as_it_is(caller: Caller) -> None:
    version = making.version()
    body = form(file(b"embedding", "猫 – мягкая лапа.pt"))
    answer = caller(version.created_by).post(_address(version), body, content_type=CONTENT_TYPE)
    assert answer.json()["name"] == "猫 – мягкая лапа.pt"


def test_identical_bytes_are_stored_once(caller: Caller) -> None:
    data = making.safetensors(13)
    for _ in range(2):
        version = making.version()
        client = caller(version.created_by)
        assert client.generic("POST", _address(version, "?name=x.pt"), data, RAW).status_code == 201
    assert Artifact.objects.count() == 2
    assert Blob.objects.count() == 1


BAD_NAMES: list[str | bytes] = [
    "../../etc/passwd",
    "..",
    ".",
    "/etc/passwd",
    "a/b.ckpt",
    "..\\\\..\\\\boot.ini",
    "C:\\\\x.ckpt",
    ".htaccess",
    "a\x07bell.ckpt",
    "null\x00byte.ckpt",
    "tab\tbed.ckpt",
    "rtl\u202etpkc.exe",
    "zero\u200bwidth.pt",
    "what?.ckpt",
    "a<b>.ckpt",
    "pipe|d.ckpt",
    "ends-with-a-dot.",
    "x" * 256,
    "é" * 128,
    b"x\"; filename*=UTF-8''%E9.ckpt; y=\"",
    "   ",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_is_not_just_a_name_is_refused(
    name: str | bytes, caller: Caller, nothing_left: None
) -> None:
    version = making.version()
    answer = caller(version.created_by).post(
        _address(version), form(file(b"some bytes", name)), content_type=CONTENT_TYPE
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "file.name"
    assert not version.artifacts.exists()


@pytest.mark.parametrize(
    "query", ["?name=..%2Fx.pt", "?name=a%00b.pt", "?name=", "?name=%E2%80%AE"]
)
def test_a_raw_body_with_a_bad_name_is_refused(
    query: str, caller: Caller, nothing_left: None
) -> None:
    version = making.version()
    answer = caller(version.created_by).generic("POST", _address(version, query), b"bytes", RAW)
    assert (answer.status_code, answer.json()["code"]) == (400, "file.name")


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_part_header_in_another_encoding_is_not_guessed_at(
    caller: Caller, nothing_left: None
) -> None:
    version = making.version()
    body = form(file(b"some bytes", b"latin\xe9.ckpt"))
    answer = caller(version.created_by).post(_address(version), body, content_type=CONTENT_TYPE)
    assert _code(answer) == (400, "file.missing")
    assert not version.artifacts.exists()


BAD_FORMS: dict[str, tuple[bytes, str, int, str]] = {
    "an empty file": (form(file(b"", "e.pt")), CONTENT_TYPE, 400, "file.empty"),
    "no file": (form(field("a", "b")), CONTENT_TYPE, 400, "file.missing"),
    "nothing at all": (form(), CONTENT_TYPE, 400, "file.missing"),
    "an empty body": (b"", CONTENT_TYPE, 400, "file.missing"),
    "a file without a name": (form(file(b"x", "")), CONTENT_TYPE, 400, "file.missing"),
    "no boundary": (form(file(b"x", "x.pt")), "multipart/form-data", 400, "upload.malformed"),
    "another boundary": (
        form(file(b"x", "x.pt")),
        "multipart/form-data; boundary=other",
        400,
        "upload.malformed",
    ),
    "no closing boundary": (
        form(file(b"x" * 99, "x.pt"), closed=False),
        CONTENT_TYPE,
        400,
        "upload.malformed",
    ),
    "cut off in a header": (form(file(b"x", "x.pt"))[:60], CONTENT_TYPE, 400, "upload.malformed"),
    "random bytes": (bytes(range(256)) * 8, CONTENT_TYPE, 400, "upload.malformed"),
    "too many files": (
        form(*(file(b"x%d" % n, f"{n}.pt") for n in range(101))),
        CONTENT_TYPE,
        400,
        "upload.malformed",
    ),
    "too many fields": (
        form(*(field(f"f{n}", "v") for n in range(1100))),
        CONTENT_TYPE,
        400,
        "upload.malformed",
    ),
    "a field of three megabytes": (
        form(field("f", "v" * 3_000_000)),
        CONTENT_TYPE,
        400,
        "upload.malformed",
    ),
    "base64 that is none": (
        form(file(b"abc", "x.pt", extra=b"Content-Transfer-Encoding: base64\r\n")),
        CONTENT_TYPE,
        400,
        "upload.malformed",
    ),
    "the same name twice": (
        form(file(b"one", "x.pt"), file(b"two", "x.pt")),
        CONTENT_TYPE,
        409,
        "file.name_taken",
    ),
    "the same bytes twice": (
        form(file(b"one", "x.pt"), file(b"one", "y.pt")),
        CONTENT_TYPE,
        409,
        "file.duplicate",
    ),
    "the wrong digest": (
        form(field("sha256", "0" * 64), file(b"one", "x.pt")),
        CONTENT_TYPE,
        422,
        "file.digest_mismatch",
    ),
}


@pytest.mark.parametrize("what", BAD_FORMS)
def test_a_bad_form_is_refused_and_leaves_nothing(
    what: str, caller: Caller, nothing_left: None
) -> None:
    body, content_type, status, code = BAD_FORMS[what]
    version = making.version()
    answer = caller(version.created_by).generic("POST", _address(version), body, content_type)
    assert _code(answer) == (status, code)
    assert not version.artifacts.exists()


def test_a_raw_body_that_is_empty_or_absent_is_refused(caller: Caller, nothing_left: None) -> None:
    version = making.version()
    client = caller(version.created_by)
    named = client.generic("POST", _address(version, "?name=x.pt"), b"", RAW)
    assert _code(named) == (400, "file.empty")
    assert _code(client.generic("POST", _address(version), b"", RAW)) == (400, "file.missing")


@override_settings(WEIGHHOUSE_MAX_UPLOAD=1000)
def test_a_file_over_the_limit_is_refused(caller: Caller) -> None:
    version = making.version()
    client = caller(version.created_by)
    raw = client.generic("POST", _address(version, "?name=x.pt"), b"x" * 1001, RAW)
    assert _code(raw) == (413, "file.too_large")
    formed = client.generic("POST", _address(version), form(file(b"x" * 1001, "x")), CONTENT_TYPE)
    assert _code(formed) == (413, "file.too_large")
    assert client.generic("POST", _address(version, "?name=x"), b"x" * 1000, RAW).status_code == 201


@override_settings(WEIGHHOUSE_MAX_UPLOAD=1000)
def test_an_announced_length_over_the_limit_is_refused_unread(caller: Caller) -> None:
    version = making.version()
    for address, kind in (
        (_address(version, "?name=x.pt"), RAW),
        (_address(version), CONTENT_TYPE),
    ):
        # No such body is sent: a reader would report an incomplete one.
        answer = caller(version.created_by).generic(
            "POST", address, b"x", kind, CONTENT_LENGTH=str(10**12)
        )
        assert _code(answer) == (413, "file.too_large")


def test_a_name_or_bytes_that_the_version_has_already_are_refused(caller: Caller) -> None:
    version = making.version()
    client = caller(version.created_by)
    assert client.generic("POST", _address(version, "?name=x.pt"), b"one", RAW).status_code == 201
    again = client.generic("POST", _address(version, "?name=x.pt"), b"two", RAW)
    assert _code(again) == (409, "file.name_taken")
    twin = client.generic("POST", _address(version, "?name=y.pt"), b"one", RAW)
    assert _code(twin) == (409, "file.duplicate")


def test_an_announced_digest_is_checked(caller: Caller, nothing_left: None) -> None:
    version = making.version()
    client = caller(version.created_by)
    address = _address(version, f"?name=x.pt&sha256={'0' * 64}")
    assert _code(client.generic("POST", address, b"one", RAW)) == (422, "file.digest_mismatch")


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage != Stage.DRAFT])
def test_files_are_added_to_drafts_only(stage: Stage, caller: Caller) -> None:
    version = making.in_stage(stage)
    # An announced body that never comes: the refusal must not wait for it.
    answer = caller(version.created_by).generic(
        "POST", _address(version, "?name=x.pt"), b"x", RAW, CONTENT_LENGTH="999999"
    )
    assert _code(answer) == (409, "version.not_draft")


def test_permission_is_checked_before_the_body_is_read(caller: Caller) -> None:
    version = making.version()
    stranger, reviewer = making.person(), making.person(Role.REVIEWER)
    unread = {"CONTENT_LENGTH": "999999"}
    for client, expected in (
        (caller(), (401, "access.sign_in")),
        (caller(stranger), (404, "not_found")),
        (caller(reviewer), (403, "access.denied")),
        (caller(version.created_by, "read"), (403, "token.scope")),
    ):
        for address, kind in (
            (_address(version, "?name=x.pt"), RAW),
            (_address(version), CONTENT_TYPE),
        ):
            assert _code(client.generic("POST", address, b"x", kind, **unread)) == expected
