"""Uploads over real sockets to a real gunicorn: breaks, silence, full disks, chunked bodies."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.registry.bodies import BOUNDARY, CONTENT_TYPE, file, form

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.own_site
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Site:
    home: Path
    port: int
    token: str
    pid: int

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, path: str, **sent: Any) -> requests.Response:
        headers = {**self.headers, **sent.pop("headers", {})}
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        return requests.post(address, headers=headers, timeout=30, **sent)

    def draft(self, name: str) -> int:
        slug = self.post("models", json={"name": name}).json()["slug"]
        return int(self.post(f"models/{slug}/versions", json={"name": "1"}).json()["id"])

    def files(self, version: int) -> list[Any]:
        address = f"http://127.0.0.1:{self.port}/api/v1/versions/{version}"
        answer = requests.get(address, headers=self.headers, timeout=30).json()
        return list(answer["artifacts"])

    def stored(self) -> set[Path]:
        return {path for path in (self.home / "blobs").rglob("*") if path.is_file()}

    def resident(self) -> int:
        """The most memory that any worker has held, in bytes."""
        most = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(
                    line.split(":", 1) for line in status.read_text().splitlines() if ":" in line
                )
            except OSError:
                continue
            if fields["PPid"].strip() == str(self.pid):
                most = max(most, int(fields["VmHWM"].split()[0]) * 1024)
        return most


@contextmanager
def _served(home: Path, environ: dict[str, str], before: list[str] | None = None) -> Iterator[Site]:
    environ = {
        **environ,
        "WEIGHHOUSE_HOME": str(home),
        "WEIGHHOUSE_BROKER": "memory://",
        "WEIGHHOUSE_MAX_UPLOAD": "400MiB",
    }

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    manage("migrate", "-v0")
    manage("person", "uploader")
    token = manage("token", "uploader", "--scopes", "read,write")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gunicorn = [
        sys.executable, "-m", "gunicorn", "registry.wsgi", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread", "--threads", "4", "--log-level", "warning",
        "--graceful-timeout", "2", "--no-control-socket",
    ]  # fmt: skip
    process = subprocess.Popen([*(before or []), *gunicorn], cwd=ROOT, env=environ)
    try:
        _await(process, port)
        yield Site(home, port, token, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"gunicorn ended with {process.returncode}")
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    pytest.fail("gunicorn did not answer within two minutes")


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WEIGHHOUSE_")}
    return {**kept, "DJANGO_SETTINGS_MODULE": "registry.settings"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> Iterator[Site]:
    with _served(tmp_path_factory.mktemp("site"), environ) as served:
        yield served


def _raw_request(site: Site, path: str, head: dict[str, str], body: bytes) -> bytes:
    """Send a request whose body is cut off there, and read whatever comes back."""
    head = {"Host": "localhost", "Connection": "close", **site.headers, **head}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with closing(socket.create_connection(("127.0.0.1", site.port), 30)) as connection:
        connection.sendall(f"POST /api/v1/{path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def _settled(site: Site, expected: set[Path]) -> None:
    """A client that went away is noticed a little later."""
    until = time.monotonic() + 10
    while site.stored() != expected and time.monotonic() < until:
        time.sleep(0.05)
    assert site.stored() == expected


def _forms(data: bytes) -> dict[str, tuple[str, str, bytes]]:
    return {
        "raw": ("?name=cut.ckpt", "application/octet-stream", data),
        "form": ("", CONTENT_TYPE, form(file(data, "cut.ckpt"))),
    }


@pytest.mark.parametrize("kind", ["raw", "form"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_body_that_breaks_off_is_incomplete_and_leaves_nothing(
    site: Site, kind: str, share: float
) -> None:
    version, before = site.draft(f"cut {kind} {share}"), site.stored()
    query, content_type, body = _forms(os.urandom(3 * MEGABYTE))[kind]
    answer = _raw_request(
        site,
        f"versions/{version}/artifacts{query}",
        {"Content-Type": content_type, "Content-Length": str(len(body))},
        body[: int(len(body) * share)],
    )
    head, _, said = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert json.loads(said)["code"] == "upload.incomplete"
    assert site.files(version) == []
    _settled(site, before)


@pytest.mark.parametrize("kind", ["raw", "form"])
def test_a_client_that_vanishes_leaves_nothing(site: Site, kind: str) -> None:
    version, before = site.draft(f"gone {kind}"), site.stored()
    query, content_type, body = _forms(os.urandom(3 * MEGABYTE))[kind]
    connection = socket.create_connection(("127.0.0.1", site.port), 30)
    # A reset rather than an end: as when a machine or its network goes.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    head = {"Host": "x", "Content-Type": content_type, "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**head, **site.headers}.items())
    address = f"/api/v1/versions/{version}/artifacts{query}"
    connection.sendall(f"POST {address} HTTP/1.1\r\n{lines}\r\n".encode() + body[:MEGABYTE])
    time.sleep(0.3)
    connection.close()
    _settled(site, before)
    assert site.files(version) == []


def test_a_chunked_body_is_taken(site: Site) -> None:
    version, data = site.draft("chunked"), os.urandom(2 * MEGABYTE)
    pieces = (data[at : at + 70_000] for at in range(0, len(data), 70_000))
    answer = site.post(f"versions/{version}/artifacts?name=c.pt", data=pieces)
    assert answer.status_code == 201
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_chunked_form_is_taken(site: Site) -> None:
    version, data = site.draft("chunked form"), os.urandom(2 * MEGABYTE)
    body = form(file(data, "c.pt"))
    pieces = (body[at : at + 70_000] for at in range(0, len(body), 70_000))
    answer = site.post(
        f"versions/{version}/artifacts", data=pieces, headers={"Content-Type": CONTENT_TYPE}
    )
    assert answer.status_code == 201
    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_chunked_body_without_its_end_is_incomplete(site: Site) -> None:
    version, before = site.draft("chunked cut"), site.stored()
    head = {"Transfer-Encoding": "chunked", "Content-Type": "application/octet-stream"}
    body = b"100000\r\n" + b"x" * 0x100000 + b"\r\n100000\r\nhalf"
    answer = _raw_request(site, f"versions/{version}/artifacts?name=c.pt", head, body)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "upload.incomplete"
    assert site.files(version) == []
    _settled(site, before)


def test_a_refusal_reaches_a_client_that_is_still_sending(site: Site) -> None:
    version = site.draft("too large")
    # Within what a form may weigh, so that it is refused by counting.
    for sent in (b"x" * (401 * MEGABYTE), iter([b"x" * MEGABYTE] * 401)):
        answer = site.post(f"versions/{version}/artifacts?name=big.pt", data=sent)
        assert (answer.status_code, answer.json()["code"]) == (413, "file.too_large")
    assert site.files(version) == []


@pytest.mark.parametrize("kind", ["raw", "form"])
def test_memory_stays_flat_whatever_the_size(site: Site, kind: str) -> None:
    version, before = site.draft(f"large {kind}"), site.resident()
    size = 256 * MEGABYTE
    block = os.urandom(MEGABYTE)

    def blocks() -> Iterator[bytes]:
        if kind == "form":
            yield form(file(b"", "large.pt"), closed=False)[:-2]
        for _ in range(size // MEGABYTE):
            yield block
        if kind == "form":
            yield f"\r\n--{BOUNDARY}--\r\n".encode()

    answer = site.post(
        f"versions/{version}/artifacts" + ("?name=large.pt" if kind == "raw" else ""),
        data=blocks(),
        headers={"Content-Type": CONTENT_TYPE if kind == "form" else "application/octet-stream"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["size"] == size
    assert site.resident() - before < 64 * MEGABYTE


def _can_mount(folder: Path) -> bool:
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_a_full_disk_is_said_and_what_was_written_is_freed(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    store = tmp_path / "blobs"
    store.mkdir()
    if not _can_mount(store):
        pytest.skip("needs a user namespace in which a small file system can be mounted")
    # A real file system of 4 MiB under the blob store, in a mount namespace of its own.
    mount = f'mount -t tmpfs -o size=4m tmpfs {store} && exec "$@"'
    with _served(tmp_path, environ, ["unshare", "-Urm", "sh", "-c", mount, "sh"]) as site:
        version = site.draft("full")
        path = f"versions/{version}/artifacts"
        for query, content_type, body in _forms(os.urandom(5 * MEGABYTE)).values():
            answer = site.post(path + query, data=body, headers={"Content-Type": content_type})
            assert (answer.status_code, answer.json()["code"]) == (507, "disk.full")
            assert site.files(version) == []
        # Most of the room is needed again: there can be no leftover.
        again = os.urandom(3 * MEGABYTE)
        assert site.post(f"{path}?name=fits.pt", data=again).status_code == 201
