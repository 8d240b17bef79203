"""``manage.py reinspect [--all | --digest SHA256…]``: inspect stored files again, here and now."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from registry import engine
from registry.errors import EngineError
from registry.models import Blob
from registry.pipeline import leases, reinspection

_SHORTEST = 8


class Command(BaseCommand):
    help = (
        "Have the engine's policy in force, and inspect under it what was inspected under another. "
        "The workers may do the same meanwhile; each file is done once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="every stored file, anew")
        which.add_argument(
            "--digest", nargs="+", default=[], metavar="SHA256", help="these files, anew"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            policy = engine.policy()
        except EngineError as error:
            raise CommandError(f"The engine does not say what its policy is: {error}") from error
        reinspection.announce(policy)
        reinspection.retry(by=None)
        if options["all"]:
            reinspection.request(Blob.objects.values_list("digest", flat=True))
        elif options["digest"]:
            reinspection.request(_digests(options["digest"]))
        self._work()
        self._say(reinspection.progress())

    def _work(self) -> None:
        """Until nothing is left, whoever does it."""
        progress = reinspection.progress()
        # On standard error, and only in a terminal.
        with tqdm(total=progress.left, unit="file", desc="Inspecting", disable=None) as bar:
            most = progress.left
            while progress.under_way:
                before = progress.left
                for run in reinspection.due(1, patient=False):
                    reinspection.work(run.pk, worker=leases.worker_name(), gives_way=False)
                progress = reinspection.progress()
                if progress.left >= before:
                    # The rest is in other hands, or waits for its next attempt.
                    time.sleep(1)
                bar.update(most - progress.left - bar.n)

    def _say(self, progress: reinspection.Progress) -> None:
        self.stdout.write(
            f"{progress.done} of {progress.total} under policy {progress.policy}: "
            f"{progress.worse} worse, {progress.better} better."
        )
        if progress.failed:
            for run in reinspection.failed(progress.policy):
                why = run.error_detail or run.error_code
                self.stderr.write(f"{run.blob_id}: {why}")
            raise CommandError(f"{progress.failed} could not be inspected; their verdicts stand.")


def _digests(wanted: list[str]) -> list[str]:
    """Whole digests of what people write: at least the first eight digits of each."""
    found: list[str] = []
    for word in wanted:
        start = word.lower().removeprefix("sha256:")
        digests = Blob.objects.filter(digest__startswith=start).values_list("digest", flat=True)
        if len(start) < _SHORTEST or not digests:
            raise CommandError(f"There is no file whose SHA-256 begins with {word}.")
        found += digests
    return found
