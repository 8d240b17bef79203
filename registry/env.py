"""What the environment may say, read once and typed.

Every variable is named ``WEIGHHOUSE_…``; the README lists them.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "WEIGHHOUSE_"

_UNITS: Mapping[str, int] = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip


class EnvError(ValueError):
    """A variable holds something that cannot be used."""


def parse_size(text: str) -> int:
    """Bytes from ``"20GiB"``, ``"500 MB"`` or ``"1048576"``."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    unit = match and _UNITS.get(match[2].upper())
    if not match or not unit:
        raise EnvError(f"{text!r} is not a size; write something like 20GiB or 500MB")
    return int(float(match[1]) * unit)


def parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise EnvError(f"{text!r} is neither yes nor no; write 1 or 0")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


@dataclass(frozen=True, slots=True)
class Email:
    """How e-mail leaves: ``kind`` is none, console, file, smtp, smtp+tls (STARTTLS) or smtps."""

    kind: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    path: str = ""


_PORTS: Mapping[str, int] = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def parse_email(text: str) -> Email:
    """``smtp+tls://user:password@host:587``, ``console:`` or ``file:///folder``; empty for none."""
    if not text:
        return Email("none")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme == "console":
        return Email("console")
    if parts.scheme == "file" and parts.path:
        return Email("file", path=unquote(parts.path))
    if parts.scheme not in _PORTS or not parts.hostname:
        # Not the text itself: it may hold a password.
        raise EnvError("not a mail server; write something like smtp+tls://user:password@host:587")
    return Email(
        parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


@dataclass(frozen=True, slots=True)
class Env:
    """The settings that a site can choose. Sizes in bytes, times in seconds."""

    home: Path
    bind: str
    debug: bool
    demo: bool
    max_upload: int
    admin_password: str | None
    secret_key: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    https: bool
    open: bool
    database: str
    broker: str
    blobs: str
    s3_endpoint: str | None
    hf_endpoint: str
    sendfile: str
    lease: int
    device: str
    log_format: str
    email: Email
    email_from: str


def read(environ: Mapping[str, str] = os.environ) -> Env:
    """The environment as typed values; ``EnvError`` names the variable that is wrong."""

    def text(name: str, default: str = "") -> str:
        return environ.get(PREFIX + name, default)

    def flag(name: str, default: str) -> bool:
        try:
            return parse_bool(text(name, default))
        except EnvError as error:
            raise EnvError(f"{PREFIX}{name}: {error}") from None

    def size(name: str, default: str) -> int:
        try:
            return parse_size(text(name, default))
        except EnvError as error:
            raise EnvError(f"{PREFIX}{name}: {error}") from None

    def email(name: str) -> Email:
        try:
            return parse_email(text(name))
        except EnvError as error:
            raise EnvError(f"{PREFIX}{name}: {error}") from None

    home = Path(text("HOME", str(ROOT / "var"))).expanduser().resolve()
    return Env(
        home=home,
        bind=text("BIND", "127.0.0.1:8000"),
        debug=flag("DEBUG", "0"),
        demo=flag("DEMO", "1"),
        max_upload=size("MAX_UPLOAD", "32GiB"),
        admin_password=text("ADMIN_PASSWORD") or None,
        secret_key=text("SECRET_KEY") or _kept_secret(home),
        hosts=_words(text("HOSTS")),
        origins=_words(text("ORIGINS")),
        https=flag("HTTPS", "0"),
        open=flag("OPEN", "0"),
        database=text("DATABASE", f"sqlite:///{home / 'weighhouse.sqlite3'}"),
        broker=text("BROKER", "filesystem://"),
        blobs=text("BLOBS", str(home / "blobs")),
        s3_endpoint=text("S3_ENDPOINT") or None,
        hf_endpoint=text("HF_ENDPOINT", "https://huggingface.co"),
        sendfile=text("SENDFILE"),
        lease=size("LEASE", "90"),
        device=text("DEVICE", "auto"),
        log_format=text("LOG_FORMAT", "console"),
        email=email("EMAIL"),
        email_from=text("EMAIL_FROM", "Weighhouse <weighhouse@localhost>"),
    )


def _kept_secret(home: Path) -> str:
    """The site's secret key, made on the first start and kept readable by its owner only."""
    path = home / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    home.mkdir(parents=True, exist_ok=True)
    fresh = secrets.token_urlsafe(64)
    # O_EXCL: of two processes that start at once, one makes the key and the other reads it.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(fresh)
    return fresh
