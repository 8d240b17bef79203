"""Run a step as a limited child: see ``run``, ``held``, ``available`` and ``selftest``.

Linux only. Elsewhere the package imports, and no layer is available.
"""

import scanner.sandbox.preloaded  # noqa: F401 (before any jail is shut)
from scanner.sandbox.child import Work, held, run
from scanner.sandbox.escape import available, selftest
from scanner.sandbox.pipe import Tell

__all__ = ["Tell", "Work", "available", "held", "run", "selftest"]
