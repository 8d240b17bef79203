"""``manage.py import FILE|FOLDER|hf://REPO[/FILE]…``"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from registry import imports
from registry.errors import UserError
from registry.models import User
from registry.states import Role


class Command(BaseCommand):
    help = "Bring in model files, folders of them, and repositories of a hub: a model for each."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Ours is the version to make; Django's own option of that name gives way.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sources", nargs="+", metavar="FILE|FOLDER|hf://REPO[/FILE]")
        parser.add_argument("--model", help="put everything into one version of this model")
        parser.add_argument("--version", default="1.0", metavar="NAME", help="1.0 if left out")
        parser.add_argument(
            "--as", dest="user", metavar="USER", help="who uploads; the first admin if left out"
        )
        parser.add_argument("--no-submit", action="store_true", help="leave drafts")

    def handle(self, *args: Any, **options: Any) -> None:
        by = _person(options["user"])
        failed = 0
        for wanted in self._plans(options["sources"], options["model"]):
            try:
                version = imports.bring_in(
                    wanted,
                    by=by,
                    version=options["version"],
                    existing=bool(options["model"]),
                    submit=not options["no_submit"],
                    meter=_meter,
                )
            except UserError as error:
                failed += 1
                self.stderr.write(f"{wanted.name}: {error.spoken}")
            else:
                files = ", ".join(file.name for file in wanted.files)
                self.stdout.write(f"{version.model.slug} {version.name}: {files}")
        if failed:
            raise CommandError(f"{failed} could not be brought in; nothing of them was kept.")

    def _plans(self, sources: list[str], model: str | None) -> list[imports.Plan]:
        try:
            plans = imports.plan(sources, together=bool(model), skipped=self._skip)
        except UserError as error:
            raise CommandError(error.spoken) from error
        return [imports.merged(plans, model)] if model else plans

    def _skip(self, path: str) -> None:
        self.stderr.write(f"{path}: skipped, no model file by its name.")


def _person(name: str | None) -> User:
    active = User.objects.filter(is_active=True)
    if name:
        person = active.filter(username=name).first()
    else:
        person = active.filter(role=Role.ADMIN).order_by("pk").first()
    if person is None:
        raise CommandError(f"There is no active person named {name}." if name else "No admin yet.")
    return person


@contextmanager
def _meter(name: str, size: int) -> Iterator[Callable[[int], object]]:
    # On standard error, and only in a terminal.
    with tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=None) as bar:
        yield bar.update
