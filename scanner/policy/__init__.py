"""Which names a pickle may ask for: three tiers, decided by tables of exact names.

Known good (``known_good``), dangerous (``dangerous``), and everything else: unknown.
"""

from __future__ import annotations

# A table of facts: how Python 2 spelt its modules. No unpickler comes with it.
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from functools import lru_cache
from typing import NamedTuple
from zlib import adler32, crc32

from scanner import __version__
from scanner.policy.config_targets import INSTANTIATORS, LIBRARIES, TARGETS
from scanner.policy.dangerous import (
    ATTRIBUTES,
    DANGEROUS,
    EXEMPT,
    JUDGED,
    LOADERS,
    ORDINARY,
    TELLING,
)
from scanner.policy.dangerous_libraries import CALLED, DANGEROUS_LIBRARIES
from scanner.policy.entries import Danger, Judged, Known, Role
from scanner.policy.known_good import KNOWN_GOOD
from scanner.report import Tier

__all__ = [
    "VERSION",
    "Danger",
    "Judged",
    "Known",
    "Reason",
    "Role",
    "danger",
    "danger_of_call",
    "is_loader",
    "judged",
    "known",
    "spelt",
    "tier",
]  # fmt: skip


class Reason(NamedTuple):
    """Why a name is dangerous, and who says so."""

    reason: str
    reference: str


_KNOWN = {(row.module, row.name): row for row in KNOWN_GOOD}
_JUDGED = {(row.module, row.name): row for row in JUDGED}
_NAMES: dict[tuple[str, str], Reason] = {}
_MODULES: dict[str, Reason] = {}
#: Modules of which only the functions are dangerous.
_FUNCTIONS: dict[str, Reason] = {}
#: Names that are dangerous where the pickle itself calls them.
_CALLED: dict[tuple[str, str], Reason] = {}


def _fill(groups: tuple[Danger, ...], names: dict[tuple[str, str], Reason]) -> None:
    for group in groups:
        reason = Reason(group.reason, group.reference)
        _MODULES.update(dict.fromkeys(group.modules, reason))
        _FUNCTIONS.update(dict.fromkeys(group.functions, reason))
        for entry in group.names:
            module, _, name = entry.partition(":")
            names[module, name] = reason


_fill((*DANGEROUS, *DANGEROUS_LIBRARIES), _NAMES)
_fill(CALLED, _CALLED)

_DUNDER = Reason("walks through a special attribute", "CVE-2025-1716")
_WALK = Reason("walks through a module to what it imports", "CVE-2025-1716")
_TELLS = Reason("is a function whose name says that it runs or loads code", "CVE-2025-1716")
_REACH = Reason("reaches an attribute that runs or loads code", "CVE-2025-1716")


def _digest() -> str:
    tables = (
        __version__,
        KNOWN_GOOD,
        DANGEROUS,
        DANGEROUS_LIBRARIES,
        CALLED,
        sorted(EXEMPT),
        JUDGED,
        sorted(LOADERS),
        sorted(ATTRIBUTES),
        sorted(ORDINARY),
        sorted(TELLING),
        *(sorted(names) for names in (TARGETS, INSTANTIATORS, LIBRARIES)),
    )
    # Two checksums that err differently: the tables are our own, and nobody forges them.
    text = repr(tables).encode()
    return f"{crc32(text):08x}{adler32(text):08x}"


#: Changes with every table and every release: a report belongs to a digest and this version.
VERSION = _digest()


def spellings(module: str, name: str) -> tuple[tuple[str, str], ...]:
    """The name as the file spells it, and as Python 3 maps what Python 2 wrote."""
    mapped = NAME_MAPPING.get((module, name))
    if mapped is None:
        mapped = (IMPORT_MAPPING.get(module, module), name)
    return ((module, name),) if mapped == (module, name) else (mapped, (module, name))


def spelt(module: str, name: str) -> tuple[str, str]:
    """The name as Python 3 spells it."""
    return spellings(module, name)[0]


@lru_cache(maxsize=4096)
def known(module: str, name: str) -> Known | None:
    """The row of a known-good name, in either spelling."""
    for spelling in spellings(module, name):
        if spelling in _KNOWN:
            return _KNOWN[spelling]
    return None


@lru_cache(maxsize=4096)
def judged(module: str, name: str) -> Judged | None:
    """The row of a name that is judged by its arguments."""
    for spelling in spellings(module, name):
        if spelling in _JUDGED:
            return _JUDGED[spelling]
    return None


@lru_cache(maxsize=4096)
def is_loader(module: str, name: str) -> bool:
    """Whether bytes given to this name are loaded as a file."""
    return any(spelling in LOADERS for spelling in spellings(module, name))


@lru_cache(maxsize=4096)
def danger(module: str, name: str) -> Reason | None:
    """Why a name is dangerous; None if it is not known to be."""
    if known(module, name) or judged(module, name):
        return None
    for spelling in spellings(module, name):
        found = _dangerous(*spelling)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=4096)
def danger_of_call(module: str, name: str) -> Reason | None:
    """Why a call of the name is dangerous, which naming it need not be."""
    for spelling in spellings(module, name):
        if spelling in _CALLED:
            return _CALLED[spelling]
    return danger(module, name)


def tier(module: str, name: str) -> Tier:
    if known(module, name):
        return Tier.KNOWN
    return Tier.DANGEROUS if danger(module, name) else Tier.UNKNOWN


def _dangerous(module: str, name: str) -> Reason | None:
    if (module, name) in EXEMPT or (module, name) in _CALLED:
        return None
    return _listed(module, name) or (_TELLS if name in TELLING else _walked(module, name))


def _listed(module: str, name: str) -> Reason | None:
    """In a table: the name, a name that it is an attribute of, or a module that it lies in."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        found = _NAMES.get((module, ".".join(parts[:end])))
        if found is not None:
            return found
    # "torch" + "hub.load" is "torch.hub" + "load".
    path = [*module.split("."), *parts[:-1]]
    for end in range(len(path), 0, -1):
        package = ".".join(path[:end])
        if package in ORDINARY and package != module:
            continue
        if package in _MODULES:
            return _MODULES[package]
        if package in _FUNCTIONS and not all(map(_is_class, parts)):
            return _FUNCTIONS[package]
    for end in range(1, len(parts)):
        inner = f"{module}.{'.'.join(parts[:end])}"
        found = _NAMES.get((inner, ".".join(parts[end:])))
        if found is not None:
            return found
    return None


def _is_class(part: str) -> bool:
    return part.lstrip("_")[:1].isupper()


def _walked(module: str, name: str) -> Reason | None:
    """Reached by walking from one object to the next."""
    if f"{module}.{name}" in _MODULES:
        return _WALK
    parts = name.split(".")
    for index, part in enumerate(parts):
        bare = part.strip("_")
        if part in ORDINARY and index == len(parts) - 1:
            continue
        if part.startswith("__") and part.endswith("__"):
            return _DUNDER
        # "collections" + "_sys" is a module, whatever is done with it.
        if bare in _MODULES and (len(parts) > 1 or part != module.rpartition(".")[2]):
            return _WALK
        if index and _NAMES.get(("builtins", part)):
            return _REACH
    if len(parts) == 1:
        return None
    if parts[-1] in ATTRIBUTES:
        return _REACH
    # A class begins with a capital or is known; anything else on the way is a module or a function.
    first = parts[0]
    if not _is_class(first) and not known(module, first):
        return _WALK
    return None
