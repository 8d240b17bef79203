"""Making what was asked for: rows that are claimed, leased and fenced as steps are.

A variant never moves its version: that goes on, or is served, whatever becomes of it. So its
failure is told on its own row, and waits there for a person.
"""

from __future__ import annotations

import structlog
from django.db import transaction
from django.utils import timezone

from registry import lifecycle, notices, serving
from registry.errors import EngineError, UserError
from registry.models import Artifact, StepRun, Variant, Version
from registry.pipeline import leases, making, places
from registry.pipeline.leases import ATTEMPTS, RING_AGAIN, RING_AGAIN_BUSY, LeaseLost
from registry.recipes import Recipe
from registry.states import ArtifactRole, EventKind, RunState, Stage, Step

log = structlog.get_logger(__name__)

#: Where a version's files are settled, so that another may join them.
STAGES = frozenset({Stage.IN_REVIEW, Stage.PUBLISHED})

#: Which share of the work the conversion is, in percent.
_CONVERTING = 60
#: modelspec's word for an architecture, where it has one, by kind and base.
_ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl-refiner": "stable-diffusion-xl-v1-refiner",
}
_SUFFIXES = {"checkpoint": "", "lora": "/lora", "embedding": "/textual-inversion"}
_IMPLEMENTATION = "https://github.com/Stability-AI/generative-models"


def role_of(recipe: Recipe) -> ArtifactRole:
    return ArtifactRole.REBUILT if recipe.torch else ArtifactRole.VARIANT


def keep(source: Artifact, recipe: Recipe, made: making.Made, role: ArtifactRole) -> Artifact:
    """The artifact of what a step made of an upload; one that people might ask for as well is
    noted as made, so that it is not made twice."""
    artifact = making.add(source, made, recipe, role)
    if role is not ArtifactRole.CONVERTED:
        row = {"source": source, "options": recipe.to_json(), "artifact": artifact}
        ended = {"state": RunState.DONE, "percent": 100, "finished_at": timezone.now()}
        Variant.objects.update_or_create(
            version=source.version, key=recipe.key(source.blob_id), defaults={**row, **ended}
        )
    return artifact


def ring_after_commit(variant: Variant) -> None:
    transaction.on_commit(lambda: _ring(variant))


def _ring(variant: Variant) -> None:
    from registry.pipeline import tasks

    leases.ring(variant, tasks.make_variant, queue=Step.CONVERT)


def work(pk: int, *, worker: str) -> None:
    """Take the row and make its file, unless somebody else has it."""
    taken = leases.take(Variant, pk, worker=worker)
    if taken is None:
        return
    hold = leases.Hold(run=taken, fence=taken.fence)
    try:
        _finish(hold, _make(hold))
    except LeaseLost:
        log.warning("variant.lease_lost", variant=pk)
    except making.Refused as error:
        # Not for a second attempt: the same file would be refused again.
        if hold.give_up(error.code, error.message):
            _tell(taken, error.message or error.code)
    except (EngineError, UserError) as error:
        _fail(hold, error.code, error.detail)
    except Exception as error:
        log.exception("variant.crashed", variant=pk)
        _fail(hold, "engine.crashed", f"{type(error).__name__}: {error}")


def _make(hold: leases.Hold[Variant]) -> making.Made:
    row = hold.run
    recipe = Recipe.of_json(row.options)
    if recipe.vae and row.vae is None:
        problem = {"code": "variant.vae", "message": "the file with the other VAE is gone"}
        raise making.Refused(problem)

    percent = 0

    def beat(done: int, total: int, what: str) -> None:
        nonlocal percent
        if not total:
            hold.beat()
            return
        # The inspection reads once more what the conversion has written.
        start, span = (0, _CONVERTING) if what == "convert" else (_CONVERTING, 100 - _CONVERTING)
        percent = max(percent, start + int(span * min(done / total, 1.0)))
        hold.beat(percent, what)

    metadata = _note(row, recipe)
    return making.make(row.source, recipe, beat, vae=recipe.vae, metadata=metadata)


def _note(row: Variant, recipe: Recipe) -> dict[str, str]:
    """What stands in the file about where it comes from. No date: the same source and recipe make
    the same bytes."""
    source = row.source
    noted = {"weighhouse.made": recipe.asked} if recipe.asked else {}
    report = source.blob.report()
    identity = (report.data.get("identity") or {}) if report else {}
    kind, base = str(identity.get("kind")), str(identity.get("base"))
    if kind not in _SUFFIXES or base not in _ARCHITECTURES or recipe.torch:
        return noted
    # The reference implementation's layout, but for adapters to SD1 in diffusers' own names.
    layout = {} if (kind, base) == ("lora", "sd1") else {"implementation": _IMPLEMENTATION}
    spec = {
        "sai_model_spec": "1.0.0",
        "architecture": _ARCHITECTURES[base] + _SUFFIXES[kind],
        "title": f"{row.version.model.name} {row.version.name} ({recipe.said})",
        **layout,
    }
    return noted | {f"modelspec.{key}": value for key, value in spec.items()}


def _finish(hold: leases.Hold[Variant], made: making.Made) -> None:
    """Add the file, if the row is ours still and the version takes it, in one transaction."""
    row, recipe = hold.run, Recipe.of_json(hold.run.options)
    with transaction.atomic():
        version = Version.objects.select_for_update().filter(pk=row.version_id).first()
        source = Artifact.objects.select_related("version", "blob").filter(pk=row.source_id).first()
        if version is None or source is None or not hold.held().exists():
            raise LeaseLost
        if version.stage not in STAGES:
            hold.drop()
            return
        artifact = making.add(source, made, recipe, role_of(recipe))
        if not hold.done(artifact=artifact):
            raise LeaseLost
        lifecycle.record(
            EventKind.VARIANT,
            version=version,
            by=row.asked_by,
            note=f"made {artifact.name}: {recipe.said}",
            data={"sha256": artifact.blob_id, "source": source.blob_id, **recipe.to_json()},
        )
        if version.stage == Stage.PUBLISHED and serving.fit_to_publish(artifact):
            transaction.on_commit(lambda: places.settle([artifact.blob_id]))


def _fail(hold: leases.Hold[Variant], code: str, detail: str) -> None:
    row = hold.run
    log.warning("variant.failed", variant=row.pk, code=code, detail=detail[-500:])
    if row.attempts < ATTEMPTS:
        hold.try_again(code, detail)
    elif hold.give_up(code, detail):
        lifecycle.record(
            EventKind.HELD,
            version=row.version,
            note=f"{Recipe.of_json(row.options).said}: {detail or code}",
            data={"code": code, "detail": detail, "variant": row.pk},
        )
        _tell(row, detail or code)


def _tell(row: Variant, why: str) -> None:
    said = Recipe.of_json(row.options).said
    notices.not_made(row.version, row.asked_by, f"The variant “{said}”", why)


def sweep(*, own_host: bool = False) -> dict[str, int]:
    """Heal what was lost, and ring again for what nobody took up."""
    lost, rung, now = 0, 0, timezone.now()
    for row in Variant.objects.filter(state=RunState.RUNNING):
        if leases.is_lost(row, own_host=own_host):
            hold = leases.Hold(run=row, fence=row.fence)
            _fail(hold, "worker.lost", "The worker stopped answering.")
            lost += 1
    running = {"state": RunState.RUNNING}
    busy = Variant.objects.filter(**running).exists()
    busy = busy or StepRun.objects.filter(step=Step.CONVERT, **running).exists()
    patience = RING_AGAIN_BUSY if busy else RING_AGAIN
    for row in Variant.objects.filter(state=RunState.WAITING, due_at__lte=now):
        if row.rung_at is None or row.rung_at <= now - patience:
            _ring(row)
            rung += 1
    return {"variants_lost": lost, "variants_rung": rung}
