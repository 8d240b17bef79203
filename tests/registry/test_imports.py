"""Imports from files, from folders, and from a hub that is a small server of ours."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry import blobs, imports
from registry.errors import UserError
from registry.models import Artifact, Blob, Model, Version
from registry.states import Role, Stage
from tests.registry import making

pytestmark = pytest.mark.django_db
COMMIT = "c0ffee" + "0" * 34


class Hub(ThreadingHTTPServer):
    """The part of the hub's API that an import uses."""

    daemon_threads = True

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repos = repos
        self.lies = False
        self.agents: set[str] = set()


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.agents.add(self.headers["User-Agent"])
        if match := re.fullmatch(r"/api/models/([^?]+?)(/revision/[^?]+)?(\?.*)?", self.path):
            files = self.server.repos.get(match[1])
            if files is None:
                return self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
            return self._send(200, json.dumps(self._info(match[1], files)).encode(), {}, body)
        match = re.fullmatch(r"/(.+)/resolve/([^/]+)/([^?]+)(\?.*)?", self.path)
        files = self.server.repos.get(match[1]) if match else None
        if not match or files is None or match[3] not in files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        data = files[match[3]]
        digest = hashlib.sha256(data).hexdigest()
        if self.server.lies:
            data = b"!" * len(data)
        head = {
            "ETag": f'"{digest}"',
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{digest}"',
            "X-Linked-Size": str(len(data)),
            "Accept-Ranges": "bytes",
        }
        return self._send(200, data, head, body)

    def _info(self, repo: str, files: dict[str, bytes]) -> dict[str, Any]:
        siblings = [
            {
                "rfilename": path,
                "size": len(data),
                "blobId": "0" * 40,
                "lfs": {
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": 130,
                },
            }
            for path, data in files.items()
        ]
        return {"id": repo, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}

    def _send(self, status: int, data: bytes, head: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub(settings: Any) -> Iterator[Hub]:
    server = Hub(
        {
            "team/night-sky": {
                "README.md": b"# sky",
                "sky.safetensors": making.safetensors(701),
                "unet/diffusion.safetensors": making.safetensors(702),
            },
            "team/only-words": {"README.md": b"# words"},
        }
    )
    settings.WEIGHHOUSE_HF_ENDPOINT = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def _run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def _nothing_was_kept() -> None:
    assert not Model.objects.exists() and not Blob.objects.exists()
    assert not list(blobs.scratch().iterdir())


def test_a_file_becomes_a_model_and_is_handed_in(tmp_path: Path) -> None:
    uploader = making.person()
    path = tmp_path / "night sky.vae.pt"
    path.write_bytes(b"some bytes 1")
    out, _ = _run(str(path), "--as", uploader.username)
    version = Version.objects.get()
    assert (version.model.name, version.name, version.stage) == ("night sky", "1.0", Stage.RECEIVED)
    assert version.model.owner == uploader
    assert version.artifacts.get().name == "night sky.vae.pt"
    assert "night-sky 1.0" in out
    assert path.exists()


def test_a_folder_becomes_a_model_for_each_file(tmp_path: Path) -> None:
    making.person(Role.ADMIN)
    (tmp_path / "deeper").mkdir()
    for name in ("a.ckpt", "a.safetensors", "deeper/b.pt", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "link.ckpt").symlink_to("/etc/passwd")
    _run(str(tmp_path), "--no-submit")
    assert set(Model.objects.values_list("name", flat=True)) == {"a.ckpt", "a.safetensors", "b"}
    assert set(Version.objects.values_list("stage", flat=True)) == {Stage.DRAFT}


def test_several_files_can_join_one_model(tmp_path: Path) -> None:
    making.person(Role.ADMIN)
    for name in ("a.ckpt", "b.ckpt"):
        (tmp_path / name).write_bytes(name.encode())
    _run(str(tmp_path), "--model", "Both", "--version", "7")
    assert Version.objects.get().artifacts.count() == 2
    (tmp_path / "c.ckpt").write_bytes(b"c")
    _run(str(tmp_path / "c.ckpt"), "--model", "both", "--version", "8")
    assert set(Model.objects.get().versions.values_list("name", flat=True)) == {"7", "8"}


def test_what_lies_beside_a_model_does_not_become_one(tmp_path: Path) -> None:
    making.person(Role.ADMIN)
    (tmp_path / "real.safetensors").write_bytes(making.safetensors(41))
    beside = ["notes.txt", "real.yaml", "real.preview.png", "real.json", "README.md"]
    for name in beside:
        (tmp_path / name).write_text("trigger word: harbour")
    said = io.StringIO()
    # As a shell expands models/*.
    call_command("import", *map(str, sorted(tmp_path.iterdir())), stderr=said)
    assert [model.name for model in Model.objects.all()] == ["real"]
    for name in beside:
        assert f"{name}: skipped" in said.getvalue()


def test_a_note_alone_is_refused(tmp_path: Path) -> None:
    making.person(Role.ADMIN)
    (tmp_path / "notes.txt").write_text("nothing to load")
    with pytest.raises(CommandError, match="no model file"):
        call_command("import", str(tmp_path / "notes.txt"), stderr=io.StringIO())
    assert not Model.objects.exists()


def test_a_config_that_is_named_goes_with_its_model(tmp_path: Path) -> None:
    making.person(Role.ADMIN)
    (tmp_path / "real.safetensors").write_bytes(making.safetensors(42))
    (tmp_path / "real.yaml").write_text("model: {target: ldm.models.diffusion.ddpm}")
    call_command("import", *map(str, sorted(tmp_path.iterdir())), "--model", "Real")
    version = Model.objects.get().versions.get()
    assert set(version.artifacts.values_list("name", flat=True)) == {
        "real.safetensors", "real.yaml",
    }  # fmt: skip


def test_one_bad_file_does_not_keep_the_others_out(tmp_path: Path) -> None:
    making.person(Role.ADMIN)
    (tmp_path / "bad.ckpt").write_bytes(b"")
    (tmp_path / "good.ckpt").write_bytes(b"good")
    err = io.StringIO()
    with pytest.raises(CommandError, match="1 could not"):
        call_command("import", str(tmp_path), stdout=io.StringIO(), stderr=err)
    assert "file.empty" in err.getvalue()
    assert [model.name for model in Model.objects.all()] == ["good"]


@pytest.mark.parametrize(
    ("source", "code"),
    [("no/such/file.ckpt", "source.unusable"), ("/dev/null", "source.unusable")],
)
def test_a_source_that_cannot_be_read_is_said(source: str, code: str) -> None:
    making.person(Role.ADMIN)
    with pytest.raises(CommandError, match=code.replace(".", r"\.")):
        _run(source)
    _nothing_was_kept()


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, settings: Any) -> None:
    settings.WEIGHHOUSE_MAX_UPLOAD = 10
    (tmp_path / "big.ckpt").write_bytes(b"x" * 11)
    (wanted,) = imports.plan([str(tmp_path / "big.ckpt")])
    with pytest.raises(UserError, match=r"file\.too_large"):
        imports.bring_in(wanted, by=making.person())
    _nothing_was_kept()


def test_a_repository_becomes_one_model_with_its_weights(hub: Hub) -> None:
    making.person(Role.ADMIN)
    _run("hf://team/night-sky")
    version = Version.objects.get()
    assert version.model.name == "night-sky"
    assert {artifact.name: artifact.blob_id for artifact in version.artifacts.all()} == {
        "sky.safetensors": hashlib.sha256(making.safetensors(701)).hexdigest(),
        "unet.diffusion.safetensors": hashlib.sha256(making.safetensors(702)).hexdigest(),
    }
    assert not list(blobs.scratch().iterdir())
    assert any("weighhouse" in agent for agent in hub.agents)


def test_one_file_of_a_repository(hub: Hub) -> None:
    making.person(Role.ADMIN)
    _run("hf://team/night-sky@main/unet/diffusion.safetensors")
    assert Artifact.objects.get().name == "unet.diffusion.safetensors"
    assert Model.objects.get().name == "diffusion"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("hf://team/no-such", "hub.not_found"),
        ("hf://team/night-sky/no-such.ckpt", "hub.not_found"),
        ("hf://team/only-words", "hub.not_found"),
        ("hf://", "source.unusable"),
        ("hf://te--am/..", "source.unusable"),
    ],
)
def test_what_the_hub_does_not_have_is_said(source: str, code: str, hub: Hub) -> None:
    making.person(Role.ADMIN)
    with pytest.raises(CommandError, match=code.replace(".", r"\.")):
        _run(source)
    _nothing_was_kept()


def test_a_hub_that_is_down_is_said(settings: Any) -> None:
    settings.WEIGHHOUSE_HF_ENDPOINT = "http://127.0.0.1:9"
    making.person(Role.ADMIN)
    with pytest.raises(CommandError, match=r"hub\.unreachable"):
        _run("hf://team/night-sky")


def test_bytes_that_are_not_the_announced_ones_are_refused(hub: Hub) -> None:
    hub.lies = True
    making.person(Role.ADMIN)
    err = io.StringIO()
    with pytest.raises(CommandError):
        call_command("import", "hf://team/night-sky", stdout=io.StringIO(), stderr=err)
    assert "file.digest_mismatch" in err.getvalue()
    _nothing_was_kept()


def test_nobody_to_import_as_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No admin"):
        _run(str(tmp_path))
    with pytest.raises(CommandError, match="nobody"):
        _run(str(tmp_path), "--as", "nobody")
