"""The content-addressed store: bytes under their sha256, in ``quarantine/`` or ``public/``.

The database decides what may be served; the folder is a second barrier: only ``public/`` is ever
read for a download, and a blob gets there by being published. Local disk or S3 (django-storages).
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from registry.errors import EngineError, UserError
from scanner.hashes import Digests
from scanner.report import Hashes

QUARANTINE = "quarantine"
PUBLIC = "public"
_AREAS = (PUBLIC, QUARANTINE)


def _storage() -> Storage:
    return storages["blobs"]


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _name(area: str, digest: str) -> str:
    # Digest only: the name under which a stranger uploaded it never becomes a path.
    if not _is_digest(digest):
        raise ValueError(f"not a sha256: {digest!r}")
    return f"{area}/{digest[:2]}/{digest[2:4]}/{digest}"


def is_local() -> bool:
    return isinstance(_storage(), FileSystemStorage)


def scratch() -> Path:
    """A folder for work under way; on the store's own file system when that is local."""
    storage = _storage()
    home = Path(storage.location) / "incoming" if isinstance(storage, FileSystemStorage) else None
    folder = home or Path(settings.SCRATCH)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder of its own for one piece of work, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="work-", dir=scratch()))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Incoming:
    """Bytes on their way in: written to scratch, hashed as they come, and then kept or dropped.

    Use as a context manager; what was not kept is removed. ``UserError("file.too_large")`` and
    ``UserError("disk.full")`` are raised by ``write``.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        self.limit: int = settings.WEIGHHOUSE_MAX_UPLOAD if limit is None else limit
        self.size = 0
        self._digests = Digests()
        self._hashes: Hashes | None = None
        descriptor, name = tempfile.mkstemp(prefix="in-", dir=scratch())
        self.path = Path(name)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self.limit:
            raise UserError("file.too_large", limit=self.limit)
        self._digests.update(data)
        with _disk_errors():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]

    @property
    def hashes(self) -> Hashes:
        """Every digest of what has arrived; nothing is written after the first look. AutoV3 is that
        of a safetensors file, which only an inspection knows it to be."""
        if self._hashes is None:
            self._hashes = self._digests.hashes()
        return self._hashes

    @property
    def digest(self) -> str:
        return str(self.hashes.sha256)

    def finish(self) -> None:
        """Make what was written durable. Called before ``place``."""
        if not self._file.closed:
            with _disk_errors():
                os.fsync(self._file.fileno())
                self._file.close()

    def drop(self) -> None:
        self._digests.close()
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise UserError("disk.full") from error
        raise


def place(path: Path, digest: str) -> None:
    """Move a finished local file into quarantine under its digest. Placing twice is harmless."""
    storage = _storage()
    if exists(digest):
        path.unlink(missing_ok=True)
        return
    name = _name(QUARANTINE, digest)
    with _disk_errors():
        if isinstance(storage, FileSystemStorage):
            target = Path(storage.path(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o640)
            path.replace(target)
            _sync_folder(target.parent)
        else:
            with path.open("rb") as file:
                storage.save(name, File(file))
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exists(digest: str) -> bool:
    return any(_storage().exists(_name(area, digest)) for area in _AREAS)


def is_public(digest: str) -> bool:
    return _storage().exists(_name(PUBLIC, digest))


def expose(digest: str) -> None:
    """Move a blob to where downloads read. Harmless if it is there already."""
    _shift(digest, QUARANTINE, PUBLIC)


def confine(digest: str) -> None:
    """Move a blob back into quarantine. Harmless if it is there already."""
    _shift(digest, PUBLIC, QUARANTINE)


def _shift(digest: str, source: str, target: str) -> None:
    storage = _storage()
    was, to = _name(source, digest), _name(target, digest)
    if isinstance(storage, FileSystemStorage):
        old, new = Path(storage.path(was)), Path(storage.path(to))
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            old.replace(new)
        except FileNotFoundError:
            if not new.exists():
                raise EngineError("blob.lost", digest) from None
            return
        _sync_folder(new.parent)
        return
    if not storage.exists(was):
        if not storage.exists(to):
            raise EngineError("blob.lost", digest)
        return
    remote = cast(Any, storage)
    key = remote._normalize_name
    remote.bucket.meta.client.copy(
        {"Bucket": remote.bucket_name, "Key": key(was)}, remote.bucket_name, key(to)
    )
    storage.delete(was)


def delete(digest: str) -> None:
    """Remove the bytes from both places."""
    for area in _AREAS:
        with suppress(FileNotFoundError):
            _storage().delete(_name(area, digest))


class _RemoteBytes(io.RawIOBase):
    """An object on S3, read as it comes. django-storages would fetch all of it into memory before
    the first byte could be sent."""

    def __init__(self, storage: Any, name: str) -> None:
        self._client = storage.bucket.meta.client
        self._where = {"Bucket": storage.bucket_name, "Key": storage._normalize_name(name)}
        self._at = 0
        self._body: Any = None
        try:
            self._size = int(self._client.head_object(**self._where)["ContentLength"])
        except self._client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileNotFoundError(name) from None
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset != self._at:
            self._at = start + offset
            self._drop()
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if self._body is None:
            answer = self._client.get_object(**self._where, Range=f"bytes={self._at}-")
            self._body = answer["Body"]
        data: bytes = self._body.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._drop()
        super().close()


def _open(name: str) -> IO[bytes]:
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        return Path(storage.path(name)).open("rb")
    return io.BufferedReader(_RemoteBytes(storage, name), 256 * 1024)


def open_public(digest: str) -> IO[bytes]:
    """The bytes for a download; ``EngineError("blob.not_public")`` if they are not public."""
    try:
        return _open(_name(PUBLIC, digest))
    except FileNotFoundError:
        raise EngineError("blob.not_public", digest) from None


def open_any(digest: str) -> IO[bytes]:
    """The bytes wherever they are: for the pipeline, previews and a reviewer's evidence."""
    # Twice: publishing may move the file between the two looks.
    for area in (*_AREAS, PUBLIC):
        with suppress(FileNotFoundError):
            return _open(_name(area, digest))
    raise EngineError("blob.lost", digest)


def stored() -> Iterator[tuple[str, str]]:
    """The place ("quarantine" or "public") and digest of everything in the store."""
    storage = _storage()
    for area in _AREAS:
        if isinstance(storage, FileSystemStorage):
            found = (path.name for path in Path(storage.path(area)).glob("??/??/*"))
        else:
            remote = cast(Any, storage)
            prefix = remote._normalize_name(area) + "/"
            keys = (item.key for item in remote.bucket.objects.filter(Prefix=prefix))
            found = (key.rpartition("/")[2] for key in keys)
        for digest in found:
            # Whatever else somebody has put there is none of ours.
            if _is_digest(digest):
                yield area, digest


def size(digest: str) -> int:
    """Bytes in the store; ``EngineError("blob.lost")`` if there are none."""
    for area in (*_AREAS, PUBLIC):
        with suppress(FileNotFoundError):
            return int(_storage().size(_name(area, digest)))
    raise EngineError("blob.lost", digest)


def public_name(digest: str) -> str:
    """The blob's name below the store's root, for a web server that sends the file itself."""
    return _name(PUBLIC, digest)


@contextmanager
def local_copy(digest: str, folder: Path) -> Iterator[Path]:
    """A path in ``folder`` at which the engine can read the blob: a hard link when the store is
    local (so a move or delete meanwhile does not matter), a download otherwise."""
    target = folder / digest
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        for area in (*_AREAS, PUBLIC):
            source = Path(storage.path(_name(area, digest)))
            try:
                os.link(source, target)
                break
            except FileNotFoundError:
                continue
            except OSError:
                # Another file system, or one without hard links.
                shutil.copyfile(source, target)
                break
        else:
            raise EngineError("blob.lost", digest)
    else:
        _fetch(digest, target)
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def _fetch(digest: str, target: Path) -> None:
    """Download a blob, and make sure that it is the one."""
    sha256 = hashlib.sha256()
    with open_any(digest) as remote, target.open("wb") as copy, _disk_errors():
        while data := remote.read(1024 * 1024):
            sha256.update(data)
            copy.write(data)
    if sha256.hexdigest() != digest:
        raise EngineError("blob.damaged", "the stored bytes are not those that were uploaded")


def sweep_scratch(older_than: float) -> int:
    """Remove leftovers in scratch last touched before ``older_than`` (a POSIX time); how many."""
    removed = 0
    for path in scratch().iterdir():
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime >= older_than:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
            removed += 1
    return removed
