"""Where bytes lie follows what the database says, also after a crash between the two."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.db import transaction

from registry import blobs, serving
from registry.errors import EngineError
from registry.models import Artifact, Blob
from registry.pipeline import runs
from registry.states import Stage

log = structlog.get_logger(__name__)


def let_go(digests: Iterable[str]) -> None:
    """Something that referred to ``digests`` is gone: remove them, or what is left of their being
    public."""
    kept = set(digests)
    runs.collect(kept)
    settle(kept)


def settle(digests: Iterable[str]) -> int:
    """Put each blob where it belongs: ``public/`` if a published version serves it, quarantine
    otherwise. How many were moved."""
    return sum(_settle_one(digest) for digest in sorted(digests))


def _settle_one(digest: str) -> bool:
    with transaction.atomic():
        # Publishing and withdrawing lock the row as well.
        blob = Blob.objects.select_for_update().filter(pk=digest).first()
        if blob is None:
            return False
        published = Artifact.objects.filter(blob=blob, version__stage=Stage.PUBLISHED)
        wanted = any(map(serving.fit_to_publish, published.select_related("blob")))
        try:
            if wanted == blobs.is_public(digest):
                return False
            (blobs.expose if wanted else blobs.confine)(digest)
        except EngineError as error:
            log.error("blob.lost", sha256=digest, code=error.code)
            return False
    return True


def reconcile() -> dict[str, int]:
    """Compare the store with the database: blobs in the wrong place are moved, and bytes without a
    row (a transaction was rolled back after they were placed) get one, so that they are collected
    like any others. How many of each."""
    stored = list(blobs.stored())
    public = {digest for area, digest in stored if area == blobs.PUBLIC}
    known = set(Blob.objects.values_list("digest", flat=True))
    strays = {digest for _, digest in stored} - known
    return {
        "settled": settle((public ^ serving.published_digests()) - strays),
        "strays": sum(_enlist(digest) for digest in strays),
    }


def _enlist(digest: str) -> bool:
    with transaction.atomic():
        try:
            size = blobs.size(digest)
        except EngineError:
            # Collected since we looked.
            return False
        # An upload that is about to write this very row is waited for.
        _, made = Blob.objects.get_or_create(digest=digest, defaults={"size": size})
    return made
