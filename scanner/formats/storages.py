"""The storages that a torch pickle speaks of, before anyone knows where their bytes lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from scanner.formats.anomalies import finding
from scanner.formats.torch_types import Element, storage_element
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Const, Global, Persistent, TupleValue, Value
from scanner.report import Finding
from scanner.tensors import Storage

_LONGEST_KEY = 256


class Claim(NamedTuple):
    """``('storage', type, key, location, numel)`` as the pickle has it; ``view`` is the legacy
    format's ``(key, first element, elements)`` or None."""

    key: str
    element: Element
    numel: int
    view: tuple[str, int, int] | None = None

    @property
    def nbytes(self) -> int:
        return self.numel * self.element.size


#: From a claim to its bytes; None where the file has none.
Locate = Callable[[Claim], Storage | None]


def constant(value: Value | None) -> object:
    """The plain value of a Const, else None."""
    return value.value if isinstance(value, Const) else None


def natural(value: Value | None) -> int | None:
    """A whole number as such: True is none."""
    if isinstance(value, Const):
        number = value.value
        if type(number) is int:
            return number
    return None


def key_of(value: Value | None) -> str | None:
    key = value.value if isinstance(value, Const) else None
    if isinstance(key, str):
        return key
    if type(key) is int:
        return str(key)
    if isinstance(key, bytes):
        # Protocol 2 pickles of Python 2 spell keys as byte strings.
        return key.decode("latin-1")
    return None


def claim_of(persistent: Persistent) -> Claim | None:
    """None for an id that is no torch storage: the safety rules speak of those."""
    if not isinstance(persistent.id, TupleValue) or len(persistent.id.items) < 5:
        return None
    items = persistent.id.items
    tag, kind, key_value, _, numel_value = items[:5]
    if key_of(tag) != "storage" or not isinstance(kind, Global):
        return None
    element = storage_element(kind.module, kind.name)
    key, numel = key_of(key_value), natural(numel_value)
    if element is None or key is None or numel is None:
        return None
    return Claim(key, element, numel, _view(items[5] if len(items) > 5 else None))


def _view(value: Value | None) -> tuple[str, int, int] | None:
    if not isinstance(value, TupleValue) or len(value.items) != 3:
        return None
    key, first, size = key_of(value.items[0]), natural(value.items[1]), natural(value.items[2])
    if key is None or first is None or size is None:
        return None
    return key, first, size


def unsafe_key(key: str) -> bool:
    """Whether a storage's key is more than a name: a path, or too long for one."""
    return (
        not key
        or len(key) > _LONGEST_KEY
        or any(sign in key for sign in ("/", "\\", "\0"))
        or key in (".", "..")
    )


class Claims:
    """All claims of the traces, each key once, with what is wrong among them."""

    def __init__(self) -> None:
        self.by_key: dict[str, Claim] = {}
        self.findings: list[Finding] = []


def collect(traces: tuple[Trace, ...], member: str) -> Claims:
    claims = Claims()
    odd: set[str] = set()
    for trace in traces:
        for persistent in trace.persistent:
            claim = claim_of(persistent)
            if claim is None or claim.key in odd:
                continue
            rule = _rule(claim, claims.by_key.get(claim.key))
            if rule is not None:
                odd.add(claim.key)
                claims.findings.append(finding(rule, member=member, argument=claim.key[:200]))
            claims.by_key.setdefault(claim.key, claim)
    return claims


def _rule(claim: Claim, known: Claim | None) -> str | None:
    if unsafe_key(claim.key):
        return "storage-key"
    if claim.numel < 0:
        return "storage-bounds"
    if known is not None and (known.element, known.numel) != (claim.element, claim.numel):
        return "storage-alias"
    return None
