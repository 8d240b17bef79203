"""The production settings against a real PostgreSQL and a real RabbitMQ."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Connection, Queue

from tests.services import ROOT, free_port, wait_until, without_our_variables

pytestmark = [pytest.mark.own_site, pytest.mark.broker]

UPLOAD = """
import time, django
django.setup()
from registry import catalogue, people, uploads
name = "uploader-" + str(time.monotonic_ns())
by = people.add(name=name, role="member", by=None)
model = catalogue.create_model(name=name, by=by)
version = catalogue.create_version(model, name="1", by=by)
uploads.receive([b"no model at all"], version=version, name="model.ckpt", by=by)
started = time.monotonic()
uploads.submit(version, by=by)
print(version.pk, time.monotonic() - started)
"""


class Production:
    """A site's processes; each is started with the same environment."""

    def __init__(self, environ: dict[str, str], database: str) -> None:
        self.environ = environ
        self.database = database

    def run(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**self.environ, **more},
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def upload(self, **more: str) -> tuple[int, float]:
        """The id of a version that was handed in, and how many seconds that took."""
        pk, seconds = self.run("-c", UPLOAD, **more).split()
        return int(pk), float(seconds)

    def runs_of(self, version: int) -> list[tuple[Any, ...]]:
        query = "SELECT step, state, attempts, worker FROM registry_steprun WHERE version_id = %s"
        with psycopg.connect(self.database) as connection:
            return connection.execute(query, [version]).fetchall()


@pytest.fixture(scope="module")
def site(
    postgres: str, rabbitmq: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    environ = {
        **without_our_variables(),
        "WEIGHHOUSE_HOME": str(tmp_path_factory.mktemp("production")),
        "WEIGHHOUSE_DATABASE": postgres,
        "WEIGHHOUSE_BROKER": rabbitmq,
        "WEIGHHOUSE_HTTPS": "1",
        "WEIGHHOUSE_HOSTS": "models.example.org",
        "WEIGHHOUSE_ORIGINS": "https://models.example.org",
        "WEIGHHOUSE_LOG_FORMAT": "json",
    }
    production = Production(environ, postgres)
    assert "The first admin: name admin" in production.run("manage.py", "prepare")
    yield production


def test_preparing_twice_changes_nothing(site: Production) -> None:
    assert site.run("manage.py", "prepare") == ""


def test_a_ring_waits_in_a_quorum_queue_for_a_worker_that_comes_later(
    site: Production, tmp_path: Path
) -> None:
    version, _ = site.upload()
    assert site.runs_of(version) == [("inspect", "waiting", 0, "")]
    with Connection(site.environ["WEIGHHOUSE_BROKER"]) as broker, broker.channel() as channel:
        inspect = Queue("inspect", queue_arguments={"x-queue-type": "quorum"}, channel=channel)
        # Declared with other properties than it has, RabbitMQ would refuse it.
        assert inspect.queue_declare().message_count >= 1
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "registry.celery", "worker"),
                *("--pool", "solo", "--queues", "inspect", "--loglevel", "INFO"),
            ],
            cwd=ROOT,
            env=site.environ,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: site.runs_of(version)[0][2] >= 1, 90, "the worker took it up")
        (_, state, _, name), *_ = site.runs_of(version)
        assert state != "waiting" or name
        assert str(worker.pid) in name
    finally:
        worker.terminate()
        worker.wait(timeout=60)
    assert worker.returncode == 0, log.read_text()


def test_a_broker_that_is_down_holds_nobody_up_and_loses_nothing(site: Production) -> None:
    version, seconds = site.upload(
        WEIGHHOUSE_BROKER=f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    )
    assert seconds < 3
    assert site.runs_of(version)[0][:2] == ("inspect", "waiting")


def test_nor_does_one_that_accepts_and_never_answers(site: Production) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        version, seconds = site.upload(WEIGHHOUSE_BROKER=f"amqp://guest:guest@127.0.0.1:{port}//")
    assert seconds < 5
    assert site.runs_of(version)[0][:2] == ("inspect", "waiting")
