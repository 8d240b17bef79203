"""Local files that the pipeline made, taken into the blob store like anything else."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from registry.blobs import Incoming, place
from registry.models import Blob


def store(incoming: Incoming) -> Blob:
    """The blob of what has arrived."""
    incoming.finish()
    return adopt(incoming.path, incoming.digest)


def adopt(path: Path, digest: str) -> Blob:
    """Move a finished local file, whose digest is known, into the store. This happens under a lock
    on the blob's row: garbage collection takes the same lock, so it cannot remove what is just
    coming back."""
    with transaction.atomic():
        blob = _locked(digest, path.stat().st_size)
        place(path, digest)
    return blob


def _locked(digest: str, size: int) -> Blob:
    while True:
        Blob.objects.get_or_create(digest=digest, defaults={"size": size})
        # None: a collection that was under way has taken the row that we found.
        if blob := Blob.objects.select_for_update().filter(pk=digest).first():
            return blob


def store_file(path: Path) -> Blob:
    """Copy one of our own results into the store, whatever the upload limit says."""
    with Incoming(limit=path.stat().st_size) as incoming, path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            incoming.write(chunk)
        return store(incoming)
