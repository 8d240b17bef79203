"""``manage.py serve`` as an operator meets it: it starts, heals, refuses, ends, and keeps data."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
from pathlib import Path

import pytest

from tests.services import wait_until
from tests.sites import START, Start

pytestmark = pytest.mark.own_site


def test_it_starts_heals_keeps_its_data_and_leaves_nothing_behind(
    start: Start, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    site = start(home)
    site.wait_for("Weighhouse is ready at")
    assert f"http://127.0.0.1:{site.port}/" in site.said()
    assert site.is_alive()
    password = re.search(r"name admin, password (\S+)", site.said())
    assert password
    assert len(password[1]) >= 16
    roles = ("gunicorn", "inspect,convert", "queues smoke", "sweep")
    wait_until(lambda: all(site.leader(role) for role in roles), START, "every role")
    for role in roles:
        site.heals(role)
    wait_until(site.is_alive, START, "the portal healed")
    assert site.interrupt() < 10
    assert site.below() == {}
    secret = (home / "secret_key").read_text()

    again = start(home)
    again.wait_for("Weighhouse is ready at")
    assert "password" not in again.said()
    assert (home / "secret_key").read_text() == secret
    assert _people(home) == ["admin"]
    again.process.send_signal(signal.SIGTERM)
    again.process.wait(timeout=10)
    assert again.below() == {}


def _people(home: Path) -> list[str]:
    with sqlite3.connect(home / "weighhouse.sqlite3") as database:
        return [row[0] for row in database.execute("SELECT username FROM registry_user")]


def test_a_second_one_on_the_same_folder_is_refused_and_says_who_has_it(
    start: Start, tmp_path: Path
) -> None:
    site = start(tmp_path / "home")
    site.wait_for("Preparing")
    other = start(tmp_path / "home")
    other.wait_for(f"Process {site.process.pid} already serves {tmp_path / 'home'}")
    assert other.process.wait(timeout=10) == 1
    assert "Traceback" not in other.said()


def test_a_port_in_use_is_said_plainly(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site = start(tmp_path / "home", port=port)
        site.wait_for(f"127.0.0.1:{port} cannot be listened on: Address already in use")
        assert site.process.wait(timeout=10) == 1
    assert "Traceback" not in site.said()


def test_a_chosen_password_is_not_printed_and_a_weak_one_is_warned_of(
    start: Start, tmp_path: Path
) -> None:
    site = start(tmp_path / "home", WEIGHHOUSE_ADMIN_PASSWORD="sesame")
    site.wait_for("Weighhouse is ready at")
    assert "sesame" not in site.said()
    assert "admin.weak_password" in site.said()


def test_a_killed_serve_takes_everybody_with_it(start: Start, tmp_path: Path) -> None:
    site = start(tmp_path / "home")
    site.wait_for("Weighhouse is ready at")
    wait_until(lambda: site.leader("sweep") is not None, START, "the sweeper")
    site.process.kill()
    site.process.wait()
    wait_until(lambda: not site.below(), 15, "everybody gone")
