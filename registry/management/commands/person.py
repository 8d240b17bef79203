"""``manage.py person NAME --role reviewer``"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from registry import people
from registry.errors import UserError
from registry.models import User
from registry.states import Role


class Command(BaseCommand):
    help = "Add a person, with a one-time password on standard output, or change what they may do."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=Role.values, help="member if left out")
        parser.add_argument("--email", default="")
        parser.add_argument("--password-stdin", action="store_true", help="read it from there")
        parser.add_argument("--new-password", action="store_true", help="make and print a new one")
        active = parser.add_mutually_exclusive_group()
        active.add_argument("--deactivate", action="store_true", help="lock the person out")
        active.add_argument("--activate", action="store_true", help="let the person in again")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["name"].strip()).first()
        given = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else ""
        if options["password_stdin"] and not given:
            raise CommandError("There is no password on standard input.")
        try:
            made = self._change(user, given, options) if user else self._add(given, options)
        except UserError as error:
            raise CommandError(error.spoken) from error
        if made:
            self.stdout.write(made)

    def _add(self, given: str, options: dict[str, Any]) -> str:
        """The one-time password, or nothing if one was given."""
        password = given or people.one_time_password()
        role = options["role"] or Role.MEMBER
        user = people.add(
            name=options["name"], role=role, by=None, email=options["email"], password=password
        )
        self.stderr.write(f"Added {user.username}: {user.get_role_display()}.")
        return "" if given else password

    @transaction.atomic
    def _change(self, user: User, given: str, options: dict[str, Any]) -> str:
        active = True if options["activate"] else False if options["deactivate"] else None
        if options["role"] or active is not None:
            people.change(user, by=None, role=options["role"], active=active)
        password = given or (people.one_time_password() if options["new_password"] else "")
        if password:
            people.set_password(user, password, by=None)
        state = "" if user.is_active else ", locked out"
        self.stderr.write(f"{user.username}: {user.get_role_display()}{state}.")
        return "" if given else password
