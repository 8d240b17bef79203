"""What a jailed child may say: progress, one result, or one error, in bounded JSON frames.

The child has read hostile bytes, so nothing that comes from it is taken on trust.
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Callable, Iterator

from scanner.errors import EngineError, FileError, LimitExceeded, Refused, ScannerError
from scanner.report import Json

#: Told the step's name, how much is done, and of how much.
Tell = Callable[[str, int, int], None]

RESULT, ERROR, PROGRESS = b"r", b"e", b"p"
_HEAD = 5
_SMALL = 64 * 1024
_TEXT = 4_000
_BETWEEN = 0.2  # seconds; five a second are enough for a person

_ERRORS: dict[str, type[ScannerError]] = {
    "FileError": FileError, "Refused": Refused, "EngineError": EngineError,
}  # fmt: skip


def send(fd: int, kind: bytes, body: bytes) -> None:
    frame = memoryview(kind + len(body).to_bytes(_HEAD - 1, "little") + body)
    while frame:
        frame = frame[os.write(fd, frame) :]


def teller(fd: int) -> Tell:
    """The child's end of progress: rare enough to cost nothing, never missing a step's end."""
    last_step, last_time = "", 0.0

    def tell(step: str, done: int, total: int) -> None:
        nonlocal last_step, last_time
        now = time.monotonic()
        if step == last_step and done < total and now - last_time < _BETWEEN:
            return
        last_step, last_time = step, now
        send(fd, PROGRESS, json.dumps([step[:64], done, total]).encode())

    return tell


def error_body(error: BaseException) -> bytes:
    """An error as a frame: its class if it is one of ours, its code and its parameters."""
    if isinstance(error, ScannerError):
        params = {key: _plain(value) for key, value in error.params.items()}
        body = {
            "class": type(error).__name__, "code": error.code, "message": error.message[:_TEXT],
            "params": params,
        }  # fmt: skip
        if isinstance(error, LimitExceeded):
            body["limit"] = error.limit
    else:
        message = f"{type(error).__name__}: {error}"[:_TEXT]
        body = {"class": "EngineError", "code": "sandbox.failed", "message": message}
    return json.dumps(body).encode()


def _plain(value: object) -> Json:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)[:_TEXT]


def as_error(body: object) -> ScannerError:
    """The error that a frame describes; nonsense is a crash."""
    if not isinstance(body, dict):
        return EngineError("sandbox.crashed", "the child's error makes no sense")
    code, message = str(body.get("code"))[:200], str(body.get("message", ""))[:_TEXT]
    given = body.get("params")
    params = given if isinstance(given, dict) else {}
    if body.get("class") == "LimitExceeded":
        allowed = params.get("allowed", 0)
        number = allowed if isinstance(allowed, (int, float)) else 0
        return LimitExceeded(str(body.get("limit"))[:200], number, message)
    kind = _ERRORS.get(str(body.get("class")), EngineError)
    error = kind(code, message)
    error.params = params
    return error


def frames(fd: int, deadline: float, largest: int) -> Iterator[tuple[bytes, Json]]:
    """The child's frames up to the end of its pipe. ``deadline`` is by ``time.monotonic``.
    Raises ``sandbox.timeout``, ``sandbox.output_too_large`` or ``sandbox.crashed``."""
    os.set_blocking(fd, False)
    buffer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise FileError("sandbox.timeout", "the file took too long to read")
            data = os.read(fd, 1 << 20)
            if not data:
                return
            buffer += data
            while (frame := _frame(buffer, largest)) is not None:
                yield frame


def _frame(buffer: bytearray, largest: int) -> tuple[bytes, Json] | None:
    if len(buffer) < _HEAD:
        return None
    kind, size = bytes(buffer[:1]), int.from_bytes(buffer[1:_HEAD], "little")
    if size > (largest if kind == RESULT else _SMALL):
        raise too_large(largest)
    if len(buffer) < _HEAD + size:
        return None
    body = bytes(buffer[_HEAD : _HEAD + size])
    del buffer[: _HEAD + size]
    try:
        return kind, json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EngineError("sandbox.crashed", "the child wrote something else than JSON") from error


def too_large(largest: int) -> FileError:
    return FileError("sandbox.output_too_large", f"a result may have {largest} bytes")
