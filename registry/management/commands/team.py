"""``manage.py team painters --add mara noor``"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry import people
from registry.errors import UserError
from registry.models import User


class Command(BaseCommand):
    help = "Make a team, put people into it or take them out, and print who is in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--add", nargs="+", default=[], metavar="PERSON")
        parser.add_argument("--remove", nargs="+", default=[], metavar="PERSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            team = people.change_team(
                options["name"],
                by=None,
                add=_people(options["add"]),
                remove=_people(options["remove"]),
            )
        except UserError as error:
            raise CommandError(error.spoken) from error
        for name in team.user_set.order_by("username").values_list("username", flat=True):
            self.stdout.write(name)


def _people(wanted: list[str]) -> list[User]:
    found = {user.username: user for user in User.objects.filter(username__in=wanted)}
    if unknown := [name for name in wanted if name not in found]:
        raise CommandError(f"Nobody here is named {', '.join(unknown)}.")
    return list(found.values())
