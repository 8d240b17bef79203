"""The main job on a whole site of its own: upload, watch, see the evidence, approve, download."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from scanner import samples
from tests.registry import making
from tests.services import ROOT
from tests.sites import Site, Start

pytestmark = [pytest.mark.browser, pytest.mark.own_site, pytest.mark.slow]

PASSWORD = making.PASSWORD
#: Milliseconds: a smoke test takes half a minute on two busy cores.
PATIENCE = 240_000


@pytest.fixture
def site(start: Start, tmp_path: Path) -> Site:
    running = start(tmp_path / "home", WEIGHHOUSE_ADMIN_PASSWORD=PASSWORD)
    running.wait_for("Weighhouse is ready at")
    return running


@pytest.fixture
def address(site: Site) -> str:
    return f"http://127.0.0.1:{site.port}"


def upload(page: Page, address: str, model: str, file: Path) -> None:
    page.goto(f"{address}/upload/")
    page.get_by_label("Name of the new model").fill(model)
    page.get_by_label("Choose files").set_input_files([file])
    page.get_by_role("button", name="Upload and hand in").click()
    expect(page.get_by_text("Handed in. You can watch it here.")).to_be_visible()


def token(site: Site, environ: dict[str, str], *scopes: str) -> str:
    """A token for the first admin, made on the command line."""
    made = subprocess.run(
        [sys.executable, "manage.py", "token", "admin", "--scopes", ",".join(scopes)],
        cwd=ROOT,
        env=environ | {"WEIGHHOUSE_HOME": str(site.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_from_upload_to_download(
    browser_page: Page, site: Site, address: str, tmp_path: Path, clean_environ: dict[str, str]
) -> None:
    files = tmp_path / "files"
    samples.make(files)
    page = browser_page
    page.goto(address)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    # A hostile file: the rail stops, the evidence is there, and nobody gets the bytes.
    upload(page, address, "Too good", files / "hostile.ckpt")
    expect(page.get_by_text("Quarantined").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("posix.system").first).to_be_visible()
    expect(page.get_by_text("REDUCE").first).to_be_visible()
    expect(page.get_by_role("link", name="Download")).to_have_count(0)
    bearer = {"Authorization": f"Bearer {token(site, clean_environ, 'read')}"}
    refused = requests.get(f"{address}/api/v1/artifacts/1/download", headers=bearer, timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (403, "quarantined")

    # A good one, as a pickle: converted, drawn with, and put before a person.
    upload(page, address, "Miniature", files / "mini.ckpt")
    publish = page.locator("summary", has_text="Publish")
    expect(publish).to_be_visible(timeout=PATIENCE)
    expect(page.locator("main img").first).to_be_visible()
    publish.click()
    page.get_by_role("button", name="Publish now").click()
    link = page.get_by_role("link", name="Download mini.safetensors")
    expect(link).to_be_visible()
    with page.expect_download() as arriving:
        link.click()
    assert arriving.value.suggested_filename == "mini.safetensors"
    got = hashlib.sha256(Path(arriving.value.path()).read_bytes()).hexdigest()

    # A download tool gets the same bytes, and can go on where it broke off.
    found = requests.get(f"{address}/api/v1/lookup/{got}", headers=bearer, timeout=30).json()
    served = next(one for one in found["results"] if one["role"] == "converted")
    assert served["sha256"] == got
    url = f"{address}/api/v1/artifacts/{served['id']}/download"
    head = requests.get(url, headers=bearer | {"Range": "bytes=0-999"}, timeout=30)
    rest = requests.get(
        url,
        headers=bearer | {"Range": "bytes=1000-", "If-Range": head.headers["ETag"]},
        timeout=30,
    )
    assert (head.status_code, rest.status_code) == (206, 206)
    assert hashlib.sha256(head.content + rest.content).hexdigest() == got

    # The original stays where it is, and the payload never ran.
    original = next(
        one
        for one in requests.get(
            f"{address}/api/v1/versions/{served['version']}", headers=bearer, timeout=30
        ).json()["artifacts"]
        if one["role"] == "upload"
    )
    refused = requests.get(
        f"{address}/api/v1/artifacts/{original['id']}/download", headers=bearer, timeout=30
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "quarantined")
    assert not Path(samples.MARKER).exists()
