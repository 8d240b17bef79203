"""``manage.py sweep``: mend what was lost, over and over."""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections

from registry import blobs, engine, lineage, notices, sign_in
from registry.errors import EngineError
from registry.pipeline import places, redraws, reinspection, runs, variants

log = structlog.get_logger(__name__)

LEFTOVER_AGE = 24 * 3600
HOUSEKEEPING_EVERY = 600


class Command(BaseCommand):
    help = "Requeue lost work, ring again for what nobody took up, and clear leftovers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then end")
        parser.add_argument(
            "--own-host",
            action="store_true",
            help="all workers on this host are ours: do not wait for the lease of one that died",
        )
        parser.add_argument("--every", type=float, default=5.0, help="seconds between rounds")

    def handle(self, *args: Any, once: bool, every: float, own_host: bool, **options: Any) -> None:
        last_housekeeping = 0.0
        said = _ask_policy("")
        while True:
            close_old_connections()
            try:
                mended = runs.sweep(own_host=own_host)
                mended |= reinspection.sweep(own_host=own_host)
                mended |= variants.sweep(own_host=own_host)
                mended |= redraws.sweep(own_host=own_host)
                mended["mails"] = notices.ring_again()
                if any(mended.values()):
                    log.info("sweep", **mended)
                if once or time.monotonic() - last_housekeeping > HOUSEKEEPING_EVERY:
                    last_housekeeping = time.monotonic()
                    _keep_house()
                    said = _ask_policy(said)
            except Exception:
                # The database may be away for a moment; the sweeper is what outlives that.
                if once:
                    raise
                log.exception("sweep.failed")
            if once:
                return
            time.sleep(every)


def _ask_policy(said: str) -> str:
    """Have the engine's policy in force, if the engine says another than it ``said``. Only then:
    during an upgrade the old site's sweeper must not argue with the new one's."""
    try:
        policy = engine.policy()
        if policy != said:
            reinspection.announce(policy)
    except (EngineError, DatabaseError) as error:
        log.warning("policy.unknown", error=str(error))
        return said
    return policy


def _keep_house() -> None:
    collected = runs.collect()
    removed = blobs.sweep_scratch(time.time() - LEFTOVER_AGE)
    sign_in.forget()
    notices.forget()
    mended = places.reconcile()
    mended["lineage"] = lineage.catch_up()
    if collected or removed or any(mended.values()):
        log.info("housekeeping", blobs=collected, leftovers=removed, **mended)
