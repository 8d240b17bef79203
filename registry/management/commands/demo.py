"""``manage.py demo``: the sample models of the first run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry import demo
from registry.errors import EngineError
from registry.models import User
from registry.states import Role


class Command(BaseCommand):
    help = "Make small sample models and bring them in like anybody's uploads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--again", action="store_true", help="even if it was done before")

    def handle(self, *args: Any, again: bool, **options: Any) -> None:
        if demo.is_done() and not again:
            self.stdout.write("The sample models were made before; --again makes them anew.")
            return
        owner = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk").first()
        if owner is None:
            raise CommandError("There is no admin yet. Start `manage.py serve` once.")
        try:
            demo.bring_in(owner, self.stdout.write)
        except EngineError as error:
            raise CommandError(str(error)) from error
        demo.approve(owner, self.stdout.write)
        demo.mark_done()
        self.stdout.write("The sample models are in.")
