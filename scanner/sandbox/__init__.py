"""Run a step as a limited child: see ``run``, ``held``, ``available`` and ``selftest``.

Linux only. Elsewhere the package imports, and no layer is available.
"""

import scanner.sandbox.preloaded  # noqa: F401 (before any jail is shut)
from scanner.sandbox.child import Work, held, run
from scanner.sandbox.pipe import Tell


def available(*, strict: bool = True, gpu: bool = False) -> tuple[str, ...]:
    """The layers that hold on this machine, found out by shutting a jail once."""
    from scanner.sandbox import escape

    return escape.available(strict=strict, gpu=gpu)


def selftest() -> dict[str, dict[str, bool]]:
    """For each jail: every attempt to escape, and whether it was blocked."""
    from scanner.sandbox import escape

    return escape.selftest()


__all__ = ["Tell", "Work", "available", "held", "run", "selftest"]
