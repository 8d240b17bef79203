"""The decompiler at hand: what a load would run, as pseudo-Python."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module

from scanner import explain, reading
from scanner.limits import DEFAULT
from scanner.source import Source

_DECOMPILER = "fickling.fickle"


def prepared() -> bool:
    return _DECOMPILER in sys.modules


def prepare() -> None:
    """Import the decompiler, before a jail shuts. It is an extra: without it there is none."""
    with contextlib.suppress(ImportError):
        import_module(_DECOMPILER)


def of(source: Source) -> str | None:
    return explain.decompiled(reading.read(source, DEFAULT), DEFAULT)
