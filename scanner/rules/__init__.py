"""One rule a file. Every module here that has a ``RULE`` and a ``check`` is registered.

A rule sees one trace and yields findings; it decides nothing about the file.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import cast

from scanner.rules.base import RuleModule


def _files() -> list[str]:
    """What lies beside this file. pkgutil knows too, but imports a compiler's worth of modules."""
    with os.scandir(__path__[0]) as found:
        names = sorted(entry.name for entry in found if entry.name.endswith(".py"))
    return [name.removesuffix(".py") for name in names if name != "__init__.py"]


#: Every rule, by the name of its file.
RULES: dict[str, RuleModule] = {}
for _name in _files():
    _module = import_module(f"{__name__}.{_name}")
    if hasattr(_module, "RULE"):
        RULES[_name] = cast(RuleModule, _module)
