"""Whether the bytes that were copied are the ones that the container promised."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType

from scanner.convert.plan import Piece
from scanner.crc import crc32
from scanner.errors import FileError
from scanner.tensors import Storage


def _verify(storages: Iterable[Storage]) -> None:
    for storage in storages:
        crc = 0
        for chunk in storage.source.chunks():
            crc = crc32(chunk, crc)
        if crc != storage.crc32:
            raise FileError("read.checksum", f"{storage.member or storage.key} is damaged")


class Verification(AbstractContextManager["Verification"]):
    """Checks the storages' CRC-32 on another thread while the kernel copies: both read one page
    cache, and neither holds the interpreter. Deflated storages have one reading position, so they
    wait for the end. The error, if any, is raised on leaving."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        read = (source.tensor for piece in pieces for source in piece.sources)
        unique = {id(tensor.storage): tensor.storage for tensor in read}
        promised = [storage for storage in unique.values() if storage.crc32 is not None]
        self._stored = [item for item in promised if item.source.file_offset is not None]
        self._deflated = [item for item in promised if item.source.file_offset is None]
        self._pool = ThreadPoolExecutor(1)
        self._stored_done: Future[None] | None = None

    def __enter__(self) -> Verification:
        self._stored_done = self._pool.submit(_verify, self._stored)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._stored_done is not None:
                self._stored_done.result()
                _verify(self._deflated)
        finally:
            self._pool.shutdown(cancel_futures=True)
