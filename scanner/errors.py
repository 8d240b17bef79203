"""What can go wrong, and whose fault it is.

Codes are stable and documented; the wording may change. A ``FileError`` is about the file that
was handed in, an ``EngineError`` about us or the machine.
"""

from __future__ import annotations

#: The digests that came with a file are of another one.
OTHER_FILE = "hashes.other_file"


class ScannerError(Exception):
    """Base of every error raised on purpose. ``code`` is stable, ``params`` fill the message."""

    def __init__(self, code: str, message: str = "", **params: object) -> None:
        self.code = code
        self.message = message
        self.params = params
        super().__init__(f"{code}: {message}" if message else code)


class FileError(ScannerError):
    """The file is at fault: it is truncated, contradicts itself, or is refused."""


class LimitExceeded(FileError):
    """A named limit ran out while reading the file. ``code`` is ``limit.<name>``."""

    def __init__(self, limit: str, allowed: int | float, message: str = "") -> None:
        super().__init__(f"limit.{limit}", message or f"{limit} allows {allowed}", allowed=allowed)
        self.limit = limit


class Refused(FileError):
    """The engine will not do what was asked with this file (converting a malicious one, say)."""


class EngineError(ScannerError):
    """The machine or the engine is at fault: a full disk, a missing package, a broken sandbox."""
