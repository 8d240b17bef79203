"""Local files that the pipeline made, taken into the blob store like anything else."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from registry.blobs import Incoming, place
from registry.models import Blob, BlobHash
from scanner.report import Hashes

#: Under another name until an inspection knows that the file is one that has an AutoV3.
_KINDS = {"autov3": "tail"}


def store(incoming: Incoming) -> Blob:
    """The blob of what has arrived."""
    incoming.finish()
    return adopt(incoming.path, incoming.digest, incoming.hashes)


def adopt(path: Path, digest: str, hashes: Hashes | None = None) -> Blob:
    """Move a finished local file, whose digest is known, into the store. This happens under a lock
    on the blob's row: garbage collection takes the same lock, so it cannot remove what is just
    coming back. Its ``hashes`` are kept for the first inspection, which then need not compute
    them."""
    with transaction.atomic():
        blob = _locked(digest, path.stat().st_size)
        if hashes is not None and not blob.hashes.exists():
            BlobHash.objects.bulk_create(
                BlobHash(blob=blob, kind=_KINDS.get(kind, kind), value=value)
                for kind, value in hashes._asdict().items()
                if value
            )
        place(path, digest)
    return blob


def arrived(blob: Blob) -> dict[str, str]:
    """The digests that were computed while the blob's bytes came, by kind; none where an earlier
    release took it in."""
    names = {kept: kind for kind, kept in _KINDS.items()}
    found = blob.hashes.values_list("kind", "value")
    return {names.get(kind, kind): value for kind, value in found}


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
