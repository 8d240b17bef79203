"""System checks: what would make the site unsafe or unable to work, said before it starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

SITE = "site"
#: Apart: it tells of the machine rather than of the settings.
SANDBOX = "sandbox"
#: Layers without which a jailed child could reach more than the file it was given.
NEEDED = ("landlock", "seccomp", "rlimits", "no-new-privs")
_HINTS = {
    "landlock": "Use a Linux kernel of 5.13 or newer with Landlock enabled (lsm=…,landlock).",
    "seccomp": "Install libseccomp2 (on Debian: apt-get install libseccomp2).",
}

Found = list[CheckMessage]


@register(SITE)
def writable_home(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    home = Path(settings.HOME)
    if os.access(home, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The state folder {home} cannot be written to.",
            hint="Set WEIGHHOUSE_HOME to a folder that this user may write to.",
            id="weighhouse.E001",
        )
    ]


@register(SITE)
def broker_fits_the_database(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    embedded = settings.CELERY_BROKER_URL.startswith("filesystem:")
    if not embedded or settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return []
    return [
        Warning(
            "The broker is a folder on this machine, while the database is a server: workers on "
            "other machines would hear nothing.",
            hint="Set WEIGHHOUSE_BROKER to amqp://… or redis://…",
            id="weighhouse.W002",
        )
    ]


@register(SITE)
def blobs_fit_the_database(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    remote = settings.ENV.blobs.startswith("s3://")
    if not remote or not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return []
    return [
        Warning(
            "Blobs lie on S3, while the database is SQLite: nothing else can be written while a "
            "file is on its way there.",
            hint="Set WEIGHHOUSE_DATABASE to postgres://…",
            id="weighhouse.W007",
        )
    ]


@register(SITE)
def debug_is_off(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    if not settings.DEBUG:
        return []
    return [
        Warning(
            "Error pages show settings and source (WEIGHHOUSE_DEBUG).",
            hint="Never on a site that others can reach.",
            id="weighhouse.W003",
        )
    ]


@register(SITE)
def reachable_under_its_address(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    host = settings.ENV.bind.rpartition(":")[0].strip("[]")
    if host not in {"", "0.0.0.0", "::"} or settings.ENV.hosts:
        return []
    return [
        Warning(
            f"The site listens on every address ({settings.ENV.bind}), but answers to the name "
            "localhost only.",
            hint="Set WEIGHHOUSE_HOSTS to the names that people type, such as models.example.org.",
            id="weighhouse.W004",
        )
    ]


def _works_on_files() -> bool:
    """Whether this is an installation of a worker: the web role's has no torch."""
    return find_spec("torch") is not None


@register(SANDBOX)
def sandbox_holds(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    """Shut a jail once and see which layers held."""
    if not _works_on_files():
        return []
    from scanner import sandbox

    held = sandbox.available()
    return [
        Warning(
            f"The sandbox's layer “{layer}” is not available on this machine. Uploaded files are "
            "still read in a child process with the other layers: "
            f"{', '.join(held) or 'none'}.",
            hint=_HINTS.get(layer, "Run on Linux."),
            id="weighhouse.W005",
        )
        for layer in NEEDED
        if layer not in held
    ]


@register(SANDBOX)
def smoke_tests_have_a_vocabulary(app_configs: Sequence[Any] | None, **kwargs: Any) -> Found:
    if not _works_on_files() or find_spec("open_clip") is not None:
        return []
    return [
        Warning(
            "CLIP's vocabulary is not installed: no smoke test can read its prompt.",
            hint="pip install --no-deps -r requirements/vocabulary.txt",
            id="weighhouse.W006",
        )
    ]
