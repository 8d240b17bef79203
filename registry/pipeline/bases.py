"""Which checkpoint of the registry stands for a base: on it add-ons are shown, and it lends parts
that a model does not bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry import serving
from registry.models import Artifact, SmokeBase
from registry.states import Kind, Visibility

_PARTS = ("unet", "vae", "text_encoder")
_TEXT = "text-to-image"


def of(base: str) -> Artifact | None:
    """The checkpoint for ``base``, if one is set and may be served."""
    row = (
        SmokeBase.objects.select_related("artifact__blob", "artifact__version__model")
        .filter(base=base)
        .first()
    )
    return row.artifact if row is not None and serves(row.artifact) else None


def serves(artifact: Artifact) -> bool:
    """Whether it may be shown on now: somebody has approved it, nothing was found since, and its
    name, which stands in every picture, is no secret."""
    is_open = artifact.version.model.visibility == Visibility.TEAM
    return is_open and artifact.blob.format == "safetensors" and serving.refusal(artifact) is None


def family(artifact: Artifact) -> str:
    """For which base this file could stand; empty if it is no whole checkpoint."""
    report = artifact.blob.report()
    identity: Mapping[str, Any] = (report.data.get("identity") or {}) if report else {}
    if artifact.blob.format != "safetensors" or identity.get("kind") != Kind.CHECKPOINT:
        return ""
    if identity.get("variant") not in (None, _TEXT):
        return ""
    parts = identity.get("components") or {}
    wanted = _PARTS + (("text_encoder_2",) if identity.get("base") == "sdxl" else ())
    if any((parts.get(name) or {}).get("state") != "whole" for name in wanted):
        return ""
    return str(identity.get("base") or "")[:32]
