"""What a file says of itself: kohya's ``ss_*`` and modelspec's keys. It may be wrong or a lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_WORDS = 50
_WORD_CHARS = 200

#: Beginnings of architecture names, longest first where one begins another.
_MODELSPEC: tuple[tuple[str, str], ...] = (
    ("stable-diffusion-v1", "sd1"), ("stable-diffusion-v2", "sd2"),
    ("stable-diffusion-xl-v1-refiner", "sdxl-refiner"), ("stable-diffusion-xl", "sdxl"),
    ("stable-diffusion-v3.5-medium", "sd3.5-medium"),
    ("stable-diffusion-3.5-medium", "sd3.5-medium"),
    ("stable-diffusion-v3.5-large", "sd3.5-large"), ("stable-diffusion-3.5-large", "sd3.5-large"),
    ("stable-diffusion-v3", "sd3"), ("stable-diffusion-3", "sd3"), ("flux-1", "flux"),
    ("flux.1", "flux"),
)  # fmt: skip
_KOHYA: tuple[tuple[str, str], ...] = (
    ("sdxl", "sdxl"), ("sd_v1", "sd1"), ("sd_1", "sd1"), ("sd1", "sd1"), ("sd_v2", "sd2"),
    ("sd_2", "sd2"), ("sd2", "sd2"), ("flux1", "flux"), ("flux.1", "flux"), ("flux2", "flux2"),
)  # fmt: skip
#: What modelspec appends to an architecture for a file that is not a whole model.
_KINDS: Mapping[str, str] = {
    "lora": "lora", "textual-inversion": "embedding", "controlnet": "controlnet", "vae": "vae",
    "control-net": "controlnet", "hypernetwork": "hypernetwork",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """What the file claims, and the key and value that claim it."""

    base: str | None
    kind: str | None
    prediction: str | None
    source: str


def _begins(value: str, known: tuple[tuple[str, str], ...]) -> str | None:
    return next((base for start, base in known if value.startswith(start)), None)


def claim(metadata: Mapping[str, str]) -> Claim | None:
    """What the metadata claims of the model; None where it says nothing we know."""
    architecture = metadata.get("modelspec.architecture", "").strip().lower()
    prediction = {"epsilon": "epsilon", "v": "v"}.get(metadata.get("modelspec.prediction_type", ""))
    if architecture:
        name, _, suffix = architecture.partition("/")
        base, kind = _begins(name, _MODELSPEC), _KINDS.get(suffix)
        if base or kind:
            return Claim(base, kind, prediction, f"modelspec.architecture is {architecture[:80]!r}")
    version = metadata.get("ss_base_model_version", "").strip().lower()
    base = _begins(version, _KOHYA)
    if base:
        return Claim(base, None, prediction, f"ss_base_model_version is {version[:80]!r}")
    return Claim(None, None, prediction, "modelspec.prediction_type") if prediction else None


def trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Words that the author says bring the model out."""
    words: dict[str, None] = {}
    for key in ("modelspec.trigger_phrase", "modelspec.usage_hint"):
        for word in re.split(r"[,\n]", metadata.get(key, "")):
            if word.strip():
                words[word.strip()[:_WORD_CHARS]] = None
    return tuple(words)[:_WORDS]
