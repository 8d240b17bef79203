"""What a row of the policy says. Pure data: no row knows how a pickle is read."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a known-good name may be used for."""

    TYPE = "type"  # named, or called without arguments
    CALLABLE = "callable"  # called with arguments that fit its schema
    OBJECT = "object"  # as a callable; then BUILD, SETITEMS and APPENDS with plain data
    CONSTANT = "constant"  # named, never called


class Known(NamedTuple):
    """An exact name that is known good.

    ``schema`` gives the arguments in order: alternatives with ``|``, ``?`` after one that may be
    left out, ``*`` after one that may repeat. The words are those of
    ``scanner.rules.arguments.MATCHERS``. ``makes`` is what a call returns: "tensor" or "".
    """

    module: str
    name: str
    role: Role
    reason: str
    schema: str = ""
    makes: str = ""


class Danger(NamedTuple):
    """Names that execute, import, open, connect or load. ``modules`` with everything in and under
    them; ``functions``: modules of which the classes are merely unknown; ``names`` as
    "module:name"."""

    reason: str
    reference: str
    modules: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


class Judged(NamedTuple):
    """A name with genuine uses that is judged by its arguments, by the rule ``rule``."""

    module: str
    name: str
    rule: str
    reason: str
