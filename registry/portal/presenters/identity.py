"""What a file was found to be, in rows of a label and a fact."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from registry.portal.presenters import words
from registry.portal.presenters.words import visible

_SHOWN_NAMES = 20
#: Keys whose plain words would not do.
_METADATA: Mapping[str, str] = {
    "modelspec.license": "Licence",
    "modelspec.merged_from": "Merged from",
    "sd_merge_recipe": "Merge recipe",
    "sd_merge_models": "Merged models",
    "ss_sd_model_name": "Trained on",
    "ss_network_dim": "Rank",
    "ss_network_alpha": "Alpha",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A component. ``state``: whole or partial."""

    name: str
    state: str
    facts: str
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class IdentityView:
    rows: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    absent: str
    trigger_words: tuple[str, ...]
    suggested_tags: tuple[str, ...]
    #: What the file says of itself: (key, text).
    metadata: tuple[tuple[str, str], ...]
    conflicts: tuple[str, ...]
    evidence: tuple[str, ...]


def view(
    data: Mapping[str, Any] | None, *, release: str = "", said: Collection[str] = ()
) -> IdentityView | None:
    """None where no report says anything yet. ``release``: what lineage knows its UNet to be;
    ``said``: trigger words that the version has already."""
    if not data:
        return None
    components: Mapping[str, Mapping[str, Any]] = data.get("components") or {}
    absent = [
        words.COMPONENTS.get(name, name)
        for name, part in components.items()
        if part.get("state") == "absent"
    ]
    return IdentityView(
        rows=tuple((label, visible(value)) for label, value in _rows(data, release) if value),
        parts=tuple(
            _part(name, part) for name, part in components.items() if part.get("state") != "absent"
        ),
        absent=", ".join(absent),
        trigger_words=_strings(w for w in data.get("trigger_words") or () if w not in said),
        suggested_tags=_strings(data.get("suggested_tags")),
        metadata=tuple(
            (_label(str(key)), visible(str(value)))
            for key, value in (data.get("metadata") or {}).items()
        ),
        conflicts=_strings(data.get("conflicts")),
        evidence=_strings(data.get("evidence")),
    )


def _label(key: str) -> str:
    """``modelspec.merged_from`` → "Merged from", ``ss_network_dim`` → "Network dim"."""
    known = _METADATA.get(key)
    plain = key.removeprefix("modelspec.").removeprefix("ss_").replace("_", " ").strip()
    return known or visible(plain[:1].upper() + plain[1:])


def _strings(values: Any) -> tuple[str, ...]:
    return tuple(visible(str(value)) for value in values or ())


def _rows(data: Mapping[str, Any], release: str) -> list[tuple[str, str]]:
    variant = str(data.get("variant") or "").replace("-", " ")
    return [
        ("Kind", words.kind(str(data.get("kind") or "unknown"))),
        ("Base", words.base(data.get("base")) or "not known from the file"),
        *_releases(data, release),
        ("Variant", variant),
        ("Predicts", words.PREDICTIONS.get(str(data.get("prediction")), "")),
        ("Good for", ", ".join(str(use) for use in data.get("uses") or ())),
        ("Precision", str(data.get("precision") or "")),
        ("EMA", words.EMA.get(str(data.get("ema")), "") if data.get("ema") != "none" else ""),
        *_adapter(data.get("adapter") or {}),
        *_embedding(data.get("embedding") or {}),
        *_hypernetwork(data.get("hypernetwork") or {}),
    ]


def _releases(data: Mapping[str, Any], release: str) -> list[tuple[str, str]]:
    """The published file that it is, or the one whose UNet it has, or what it could be."""
    candidates = [words.base(word) for word in data.get("candidates") or ()]
    if data.get("release"):
        return [("Published as", str(data["release"])), ("Release", ", ".join(candidates))]
    if release:
        return [("UNet of", words.base(release))]
    return [("Could be", ", ".join(candidates))]


def _adapter(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not data:
        return []
    ranks: Mapping[str, Any] = data.get("ranks") or {}
    by_rank = ", ".join(f"{rank} (×{count})" for rank, count in ranks.items())
    targets = (words.COMPONENTS.get(name, name) for name in data.get("targets") or ())
    alpha = data.get("alpha")
    return [
        ("Method", f"{data.get('algorithm') or ''}{', DoRA' if data.get('dora') else ''}"),
        ("Naming", str(data.get("naming") or "")),
        ("Rank", by_rank),
        ("Alpha", f"{alpha:g}" if isinstance(alpha, int | float) else ""),
        ("Changes", ", ".join(targets)),
    ]


def _embedding(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not data:
        return []
    dims: Mapping[str, Any] = data.get("dims") or {}
    return [
        ("Vectors", str(data.get("vectors") or "")),
        ("Tokens", ", ".join(str(token) for token in data.get("tokens") or ())),
        ("Width", ", ".join(f"{width} ({name})" for name, width in dims.items())),
    ]


def _hypernetwork(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not data:
        return []
    return [
        ("Widths", ", ".join(str(width) for width in data.get("dims") or ())),
        ("Layers", " · ".join(f"{layer:g}" for layer in data.get("layers") or ())),
        ("Activation", str(data.get("activation") or "")),
    ]


def _part(name: str, data: Mapping[str, Any]) -> Part:
    missing = _strings(data.get("missing"))
    misshapen = _strings(data.get("misshapen"))
    facts = [
        words.counted(int(data.get("tensors") or 0), "tensor"),
        str(data.get("precision") or ""),
        words.size(int(data.get("bytes") or 0)),
    ]
    return Part(
        name=words.COMPONENTS.get(name, name),
        state=str(data.get("state") or "whole"),
        facts=", ".join(fact for fact in facts if fact),
        missing=missing[:_SHOWN_NAMES],
        misshapen=misshapen[:_SHOWN_NAMES],
        more=max(0, len(missing) - _SHOWN_NAMES) + max(0, len(misshapen) - _SHOWN_NAMES),
    )
