"""What production is made from is valid, and keeps its promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.downloads import INTERNAL
from registry.env import PREFIX
from tests.services import ROOT

DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
OUR_SERVICES = {"migrate", "web", "sweeper", "mail", "inspect", "convert", "smoke", "smoke-gpu"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return found


def tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is in requirements/dev.txt"
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_is_clean(path: Path) -> None:
    done = subprocess.run([tool("hadolint"), str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_nobody_runs_as_root_and_everybody_has_a_health_check(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")][-1] == "USER 10001:10001"
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_the_web_image_installs_no_torch() -> None:
    assert "worker.txt" not in (DOCKER / "web.Dockerfile").read_text()
    web = (ROOT / "requirements" / "web.txt").read_text()
    assert not re.search(r"^(torch|diffusers|transformers)\b", web, re.MULTILINE)


def test_no_requirements_file_names_an_index() -> None:
    for path in [ROOT / "requirements.txt", *(ROOT / "requirements").glob("*.txt")]:
        assert not re.search(r"index-url|find-links|\+cpu", path.read_text()), path.name


def test_everything_that_an_image_copies_is_let_through() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for path in DOCKERFILES:
        for source in re.findall(r"^COPY (\S+) ", path.read_text(), re.MULTILINE):
            assert source.rstrip("/") in allowed
            assert (ROOT / source).exists()


def test_the_compose_file_fits_its_schema() -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DOCKER / "compose.yaml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_queue_has_a_worker_and_no_worker_reaches_out(services: dict[str, Any]) -> None:
    queues = {
        service["environment"]["WEIGHHOUSE_QUEUES"]: service["networks"]
        for name, service in services.items()
        if name in {"inspect", "convert", "smoke"}
    }
    assert set(queues) == {"inspect", "convert", "smoke"}
    assert all(networks == ["inside"] for networks in queues.values())
    # It reads no file of anybody's, and has to reach the mail server.
    assert services["mail"]["networks"] == ["inside", "outside"]


def test_our_containers_are_read_only_and_without_capabilities(services: dict[str, Any]) -> None:
    assert set(services) >= OUR_SERVICES
    for name in OUR_SERVICES | {"nginx"}:
        assert services[name]["read_only"] is True, name
        assert services[name]["cap_drop"] == ["ALL"], name


def test_every_variable_is_one_that_the_site_reads() -> None:
    source = (ROOT / "registry" / "env.py").read_text()
    known = {PREFIX + name for name in re.findall(r'\("([A-Z0-9_]+)"', source)}
    # The image's own: which queues a worker serves.
    known.add("WEIGHHOUSE_QUEUES")
    for path in [DOCKER / "compose.yaml", DOCKER / ".env.example", *DOCKERFILES]:
        assert set(re.findall(r"WEIGHHOUSE_[A-Z0-9_]+", path.read_text())) <= known, path.name


def test_every_variable_without_a_default_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?\}", (DOCKER / "compose.yaml").read_text()))
    given = set(re.findall(r"^([A-Z_]+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert wanted <= given


def test_nginx_sends_only_what_the_site_tells_it_to() -> None:
    config = (DOCKER / "nginx.conf").read_text()
    block = config[config.index(f"location {INTERNAL} {{") :]
    assert block.split("\n")[1].strip() == "internal;"


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if nginx is None:
        pytest.skip("needs nginx (apt-get install nginx-light)")
    site = (DOCKER / "nginx.conf").read_text().replace("server web:", "server 127.0.0.1:")
    (tmp_path / "site.conf").write_text(site)
    main = tmp_path / "nginx.conf"
    main.write_text(
        f"pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; include {tmp_path}/site.conf; }}\n"
    )
    done = subprocess.run(
        [nginx, "-t", "-p", str(tmp_path), "-c", str(main)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
