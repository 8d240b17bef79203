"""What Celery runs. A task takes an id, returns nothing, and may run twice."""

from __future__ import annotations

import structlog
from celery import shared_task

from registry import mail as mails
from registry.errors import EngineError, UserError
from registry.pipeline import leases, redraws, reinspection, runs, steps, variants

log = structlog.get_logger(__name__)

OVERTAKEN = frozenset({"stage.forbids", "stage.changed"})


@shared_task(name="weighhouse.work")
def work(run_id: int) -> None:
    """Claim the run and do its step; ring for nothing if somebody else has it."""
    claim = runs.claim(run_id, worker=leases.worker_name())
    if claim is None:
        return
    run = claim.run
    log.info("step.claimed", step=run.step, version=run.version_id, attempt=run.attempts)
    try:
        claim.finish(steps.TABLE[run.step](run.version, claim.beat))
    except leases.LeaseLost:
        log.warning("step.lease_lost", step=run.step, version=run.version_id)
    except EngineError as error:
        log.warning("step.failed", step=run.step, version=run.version_id, code=error.code)
        claim.fail(error.code, error.detail)
    except UserError as error:
        if error.code in OVERTAKEN:
            # A person moved the version meanwhile: theirs is the last word.
            log.info("step.overtaken", step=run.step, version=run.version_id, code=error.code)
            claim.drop()
        else:
            # Such as a full disk. Dropped, it would be begun again for ever.
            log.warning("step.failed", step=run.step, version=run.version_id, code=error.code)
            claim.fail(error.code, error.detail)
    except Exception as error:
        log.exception("step.crashed", step=run.step, version=run.version_id)
        claim.fail("engine.crashed", f"{type(error).__name__}: {error}")
    else:
        log.info("step.done", step=run.step, version=run.version_id)


@shared_task(name="weighhouse.reinspect")
def reinspect(pk: int) -> None:
    """Inspect one stored file again, and ring for the next."""
    reinspection.work(pk, worker=leases.worker_name())
    reinspection.fill()


@shared_task(name="weighhouse.variant")
def make_variant(pk: int) -> None:
    """Make one further file of a version."""
    variants.work(pk, worker=leases.worker_name())


@shared_task(name="weighhouse.redraw")
def redraw(pk: int) -> None:
    """Make one smoke test once more, and ring for the next."""
    redraws.work(pk, worker=leases.worker_name())
    redraws.fill()


@shared_task(name="weighhouse.mail")
def mail(notice: int) -> None:
    """Send one notice by e-mail."""
    mails.send(notice)
