"""Each system check speaks up when it should, and a production site is clean."""

from __future__ import annotations

import dataclasses
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as site
from pytest_django.fixtures import Settings

from registry import checks
from scanner import sandbox
from tests.services import ROOT


def ids(found: checks.Found) -> list[str | None]:
    return [message.id for message in found]


def test_a_folder_that_is_not_there_is_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    assert checks.writable_home(None) == []
    settings.HOME = tmp_path / "missing"
    assert ids(checks.writable_home(None)) == ["weighhouse.E001"]


def test_a_folder_for_a_broker_does_not_go_with_a_database_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = "django.db.backends.sqlite3"
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    assert checks.broker_fits_the_database(None) == []
    engine = "django.db.backends.postgresql"
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    assert ids(checks.broker_fits_the_database(None)) == ["weighhouse.W002"]
    settings.CELERY_BROKER_URL = "amqp://localhost//"
    assert checks.broker_fits_the_database(None) == []


def test_debug_is_warned_of(settings: Settings) -> None:
    assert checks.debug_is_off(None) == []
    settings.DEBUG = True
    assert ids(checks.debug_is_off(None)) == ["weighhouse.W003"]


@pytest.mark.parametrize(
    ("bind", "hosts", "expected"),
    [
        ("127.0.0.1:8000", (), []),
        ("0.0.0.0:8000", (), ["weighhouse.W004"]),
        ("[::]:8000", (), ["weighhouse.W004"]),
        ("0.0.0.0:8000", ("models.example.org",), []),
    ],
)
def test_listening_everywhere_needs_a_name(
    settings: Settings, bind: str, hosts: tuple[str, ...], expected: list[str]
) -> None:
    settings.ENV = dataclasses.replace(site.ENV, bind=bind, hosts=hosts)
    assert ids(checks.reachable_under_its_address(None)) == expected


@pytest.mark.parametrize(
    ("blobs", "engine", "expected"),
    [
        ("s3://models", "django.db.backends.sqlite3", ["weighhouse.W007"]),
        ("s3://models", "django.db.backends.postgresql", []),
        ("/srv/blobs", "django.db.backends.sqlite3", []),
    ],
)
def test_s3_wants_a_database_server(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    blobs: str,
    engine: str,
    expected: list[str],
) -> None:
    settings.ENV = dataclasses.replace(site.ENV, blobs=blobs)
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    assert ids(checks.blobs_fit_the_database(None)) == expected


def test_a_missing_layer_of_the_sandbox_is_named_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = tuple(layer for layer in checks.NEEDED if layer != "seccomp")
    monkeypatch.setattr(sandbox, "available", lambda: held)
    (warning,) = checks.sandbox_holds(None)
    assert warning.id == "weighhouse.W005"
    assert "libseccomp2" in str(warning.hint)
    monkeypatch.setattr(sandbox, "available", lambda: checks.NEEDED)
    assert checks.sandbox_holds(None) == []


def test_the_web_role_is_not_asked_for_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "available", lambda: ())
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert checks.sandbox_holds(None) == []
    assert checks.smoke_tests_have_a_vocabulary(None) == []


def test_a_worker_without_the_vocabulary_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "open_clip" else name)
    (warning,) = checks.smoke_tests_have_a_vocabulary(None)
    assert "requirements/vocabulary.txt" in str(warning.hint)


def deploy(environ: dict[str, str], home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    production = {
        "WEIGHHOUSE_HOME": str(home),
        "WEIGHHOUSE_SECRET_KEY": secrets.token_urlsafe(64),
        "WEIGHHOUSE_HTTPS": "1",
        "WEIGHHOUSE_HOSTS": "models.example.org",
        "WEIGHHOUSE_ORIGINS": "https://models.example.org",
        "WEIGHHOUSE_DATABASE": "postgres://weighhouse@localhost/weighhouse",
        "WEIGHHOUSE_BROKER": "amqp://weighhouse@localhost//",
        **more,
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(
        [*command, "--tag", "security", "--tag", checks.SITE],
        cwd=ROOT,
        env={**environ, **production},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.own_site
def test_a_production_site_is_clean_and_one_without_tls_is_not(
    clean_environ: dict[str, str], tmp_path: Path
) -> None:
    good = deploy(clean_environ, tmp_path)
    assert good.returncode == 0, good.stderr
    bad = deploy(clean_environ, tmp_path, WEIGHHOUSE_HTTPS="0")
    assert bad.returncode == 1
    assert "security.W" in bad.stderr
