"""What happens once before the site serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import startup
from registry.models import Event, User
from registry.states import Role


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:80", ("::1", 80)),
        (":9000", ("0.0.0.0", 9000)),
        ("models.local:8080", ("models.local", 8080)),
    ],
)
def test_an_address_is_a_host_and_a_port(bind: str, address: tuple[str, int]) -> None:
    assert startup.parse_bind(bind) == address


@pytest.mark.parametrize("bind", ["8000", "localhost", "localhost:http", "a:70000", "a:-1", ""])
def test_anything_else_is_refused_with_an_example(bind: str) -> None:
    with pytest.raises(startup.StartError, match=r"127\.0\.0\.1:8000"):
        startup.parse_bind(bind)


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    with (
        startup.sole_owner(home),
        pytest.raises(startup.StartError, match="already serves"),
        startup.sole_owner(home),
    ):
        pass
    # Free again.
    with startup.sole_owner(home):
        pass


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with (
        pytest.raises(startup.StartError, match="WEIGHHOUSE_HOME"),
        startup.sole_owner(tmp_path / "home"),
    ):
        pass


@pytest.mark.django_db
class TestFirstAdmin:
    def test_a_password_is_made_up_once_and_works(self) -> None:
        password = startup.first_admin(None)
        assert password
        admin = User.objects.get()
        assert (admin.username, admin.role) == ("admin", Role.ADMIN)
        assert admin.check_password(password)
        assert Event.objects.filter(kind="person", subject="admin").exists()

    def test_a_chosen_password_is_taken_and_not_given_back(self) -> None:
        assert startup.first_admin("correct horse battery staple") is None
        assert User.objects.get().check_password("correct horse battery staple")

    def test_a_second_start_changes_nobody(self) -> None:
        first = startup.first_admin(None)
        assert first
        assert startup.first_admin("another") is None
        assert User.objects.get().check_password(first)

    def test_another_admin_will_do(self) -> None:
        User.objects.create(username="zoe", role=Role.ADMIN)
        assert startup.first_admin(None) is None
        assert User.objects.count() == 1
