"""What every test may ask for: real servers and a browser, or a skip that says what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.conf import settings

from tests import services
from tests.sites import Site, Start

# Tests compute with torch in this process and fork jailed children from it, which compute as well:
# OpenMP's threads do not survive a fork, and a child would wait for them forever. One thread is
# none, and as many tests as there are cores run beside each other anyway. (The product's parents
# never compute.)
os.environ["OMP_NUM_THREADS"] = "1"


def _running(service: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    try:
        with service() as address:
            yield address
    except services.Absent as missing:
        pytest.skip(f"needs {missing}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    yield from _running(services.postgres)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """The URL of a RabbitMQ node of our own."""
    yield from _running(services.rabbitmq)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The endpoint of an S3 server; any credentials will do."""
    yield from _running(services.s3)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Debian's chromium is."""
    if not Path(services.CHROMIUM).exists():
        pytest.skip("needs chromium (apt-get install chromium)")
    return services.CHROMIUM


@pytest.fixture
def clean_environ() -> dict[str, str]:
    return services.without_our_variables()


@pytest.fixture
def start(clean_environ: dict[str, str]) -> Iterator[Start]:
    """Starts whole sites, each with a home and a port of its own."""
    sites: list[Site] = []

    def begin(home: Path, *, port: int | None = None, **more: str) -> Site:
        sites.append(site := Site(home, {**clean_environ, **more}, port=port))
        return site

    yield begin
    for site in sites:
        site.kill()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests' SQLite lies in memory, where writers do not wait for each other: what needs that
    belongs to the run on PostgreSQL, and is no part of this one."""
    if settings.configured and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        apart = [item for item in items if item.get_closest_marker("real_locks")]
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if item not in apart]
