"""Where the metadata contradicts the tensors. The tensors are right; what is said is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scanner.report import Identity

#: Algorithms whose rank and alpha are those that the trainer was given.
_PLAIN = frozenset({"lora", "locon", "dora"})
_CHARS = 80


def find(identity: Identity, metadata: Mapping[str, str]) -> Iterator[str]:
    """One sentence for each statement of kohya's that the tensors deny."""
    yield from _version(identity, metadata)
    yield from _rank(identity, metadata)


def _version(identity: Identity, metadata: Mapping[str, str]) -> Iterator[str]:
    said = metadata.get("ss_v2", "").strip().lower()
    if identity.base is None:
        return
    if said == "true" and identity.base != "sd2":
        yield f"ss_v2 is true, but the shapes are those of {identity.base}."
    if said == "false" and identity.base == "sd2":
        yield "ss_v2 is false, but the shapes are those of sd2."


def _rank(identity: Identity, metadata: Mapping[str, str]) -> Iterator[str]:
    adapter = identity.adapter
    if adapter is None or adapter.algorithm not in _PLAIN or not adapter.ranks:
        return
    rank = _number(metadata.get("ss_network_dim", ""))
    if rank is not None and f"{rank:g}" not in adapter.ranks:
        held = ", ".join(adapter.ranks)[:_CHARS]
        yield f"ss_network_dim is {rank:g}, but the ranks are {held}."
    alpha = _number(metadata.get("ss_network_alpha", ""))
    if alpha is not None and adapter.alpha is not None and abs(alpha - adapter.alpha) > _NEAR:
        yield f"ss_network_alpha is {alpha:g}, but the tensors say {adapter.alpha:g}."


#: Alpha is stored in half precision.
_NEAR = 0.01


def _number(text: str) -> float | None:
    """The number, or None: resized adapters say "Dynamic"."""
    try:
        value = float(text) if len(text) <= _CHARS else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1 << 24 else None
