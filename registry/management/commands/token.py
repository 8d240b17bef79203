"""``manage.py token USER --scopes read,write``"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry import people
from registry.models import User
from registry.states import Scope


class Command(BaseCommand):
    help = "Print a new API token, alone on standard output. Only its hash is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--scopes", default=Scope.READ.value, help="of read,write,review")
        parser.add_argument("--days", type=int, help="how long it lasts; for ever if left out")
        parser.add_argument("--name", default="command line", help="what people see it as")

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [word.strip() for word in options["scopes"].split(",") if word.strip()]
        unknown = sorted(set(scopes) - set(Scope.values))
        if unknown or not scopes:
            given = ", ".join(unknown) or "none at all"
            raise CommandError(f"Scopes are {', '.join(Scope.values)}; not {given}.")
        if options["days"] is not None and options["days"] < 1:
            raise CommandError("A token lasts for one day at least.")
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active person named {options['user']}.")
        _, secret = people.issue_token(
            user, by=None, name=options["name"][:80], scopes=scopes, days=options["days"]
        )
        self.stdout.write(secret)
