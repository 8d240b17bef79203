"""What happens once before the site serves: the lock, the port, the tables, the first admin."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction

from registry import people
from registry.models import User
from registry.states import Role

log = structlog.get_logger(__name__)

ADMIN = "admin"
_BACKLOG = 256


class StartError(Exception):
    """The site cannot start; the message says why and what to do."""


@contextmanager
def sole_owner(home: Path) -> Iterator[None]:
    """Hold ``home`` for this process, so that two never serve the same folder."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(
            f"{home} cannot be used: {error.strerror}. Set WEIGHHOUSE_HOME to a folder that "
            "this user may write to."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise StartError(
                f"Process {owner or '?'} already serves {home}. Stop it first, or set "
                "WEIGHHOUSE_HOME to another folder."
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def parse_bind(bind: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:8000``, ``[::1]:8000`` or ``:8000``."""
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise StartError(f"WEIGHHOUSE_BIND={bind} is not an address; write 127.0.0.1:8000.")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def listen(bind: str) -> socket.socket:
    """The listening socket. The web server inherits it: while it restarts, requests wait."""
    host, port = parse_bind(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(
            f"{bind} cannot be listened on: {error.strerror}. Stop what uses it, or set "
            "WEIGHHOUSE_BIND to another address, such as 127.0.0.1:8001."
        ) from error
    return listener


def collect_static() -> None:
    """Gather and compress the static files, unless the same ones were gathered before."""
    root = Path(settings.STATIC_ROOT)
    stamp = root / ".gathered"
    fingerprint = _static_fingerprint()
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    # ReDoc comes along with Swagger UI, and no page uses it.
    call_command("collectstatic", verbosity=0, interactive=False, ignore_patterns=["redoc"])
    stamp.write_text(fingerprint)


def _static_fingerprint() -> str:
    seen = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            full = Path(storage.path(path))
            status = full.stat()
            seen.update(f"{full}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def first_admin(password: str | None) -> str | None:
    """Make the first admin if there is none. The password that was made up, to be shown once;
    None if there was an admin or ``password`` was given."""
    if User.objects.filter(role=Role.ADMIN).exists():
        return None
    chosen = password or people.one_time_password()
    # Together: an admin without a password would be nobody's, and no other would be made.
    with transaction.atomic():
        admin = people.add(name=ADMIN, role=Role.ADMIN, by=None)
        # Not people.set_password: the operator's own choice is taken as it is, if with a warning.
        admin.set_password(chosen)
        admin.save(update_fields=["password"])
    if password:
        _warn_if_weak(password, admin)
    return None if password else chosen


def _warn_if_weak(password: str, admin: User) -> None:
    try:
        validate_password(password, admin)
    except ValidationError as error:
        log.warning("admin.weak_password", variable="WEIGHHOUSE_ADMIN_PASSWORD", why=error.messages)
