"""``manage.py smoke_base`` · ``manage.py smoke_base --set ARTIFACT`` · ``--unset sd1``"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry import bases
from registry.errors import UserError
from registry.models import Artifact
from registry.pipeline import bases as pipeline


class Command(BaseCommand):
    help = "Say on which checkpoint add-ons are shown, one for each base; list them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        change = parser.add_mutually_exclusive_group()
        change.add_argument(
            "--set", metavar="ARTIFACT", help="number or sha256 of a published checkpoint's file"
        )
        change.add_argument("--unset", metavar="BASE", help="sd1, sdxl, …")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["set"]:
                bases.set_base(_found(options["set"]), by=None)
            if options["unset"]:
                bases.unset(options["unset"], by=None)
        except UserError as error:
            raise CommandError(error.spoken) from error
        for row in bases.all_set():
            state = "" if pipeline.serves(row.artifact) else "  (not served at present)"
            self.stdout.write(f"{row.base:<12} {row.artifact.version}: {row.artifact}{state}")


def _found(wanted: str) -> Artifact:
    files = Artifact.objects.select_related("blob", "version__model")
    files = files.filter(blob=wanted.lower()) if len(wanted) == 64 else files.filter(
        pk=wanted if wanted.isdigit() else 0
    )  # fmt: skip
    # The same bytes may be in several versions: one that is served.
    found = sorted(files, key=pipeline.serves, reverse=True)
    if not found:
        raise CommandError(f"There is no file {wanted}.")
    return found[0]
