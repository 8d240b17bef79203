"""One rule a file. Every module here that has a ``RULE`` and a ``check`` is registered.

A rule sees one trace and yields findings; it decides nothing about the file.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from scanner.rules.base import RuleModule

#: Every rule, by the name of its file.
RULES: dict[str, RuleModule] = {}
for _info in iter_modules(__path__):
    _module = import_module(f"{__name__}.{_info.name}")
    if hasattr(_module, "RULE"):
        RULES[_info.name] = cast(RuleModule, _module)
