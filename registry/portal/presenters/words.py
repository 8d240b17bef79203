"""The words and figures that people read, one table for each stored vocabulary."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from registry.states import Kind


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a colour, with a shape beside it: colour alone says nothing."""

    text: str
    tone: str  # "good" | "warn" | "bad" | "quiet"
    icon: str


VERDICTS: Mapping[str, Badge] = {
    "clean": Badge("Clean", "good", "check"),
    "suspicious": Badge("Needs a look", "warn", "triangle"),
    "unreadable": Badge("Unreadable", "bad", "broken"),
    "malicious": Badge("Dangerous", "bad", "square"),
}
NOT_INSPECTED = Badge("Not inspected", "quiet", "circle")

SEVERITIES: Mapping[str, Badge] = {**VERDICTS, "note": Badge("Note", "quiet", "circle")}

STAGES: Mapping[str, Badge] = {
    "draft": Badge("Draft", "quiet", "pencil"),
    "received": Badge("Received", "quiet", "clock"),
    "inspected": Badge("Inspected", "quiet", "clock"),
    "converted": Badge("Converted", "quiet", "clock"),
    "smoke_tested": Badge("Smoke-tested", "quiet", "clock"),
    "in_review": Badge("In review", "warn", "dot"),
    "published": Badge("Published", "good", "check"),
    "quarantined": Badge("Quarantined", "bad", "square"),
    "rejected": Badge("Rejected", "bad", "cross"),
    "withdrawn": Badge("Withdrawn", "quiet", "cross"),
}
HELD = Badge("Held", "warn", "triangle")

SMOKE: Mapping[str, Badge] = {
    "passed": Badge("Passed", "good", "check"),
    "warned": Badge("Passed with remarks", "warn", "triangle"),
    "failed": Badge("Failed", "bad", "cross"),
    "skipped": Badge("Skipped", "quiet", "circle"),
}
HEALTH: Mapping[str, Badge] = {
    "note": Badge("Note", "quiet", "circle"),
    "warning": Badge("Warning", "warn", "triangle"),
    "error": Badge("Error", "bad", "cross"),
}
#: Issues whose word alone would not do for a heading.
HEALTH_TITLES: Mapping[str, str] = {
    "nan": "Not a number",
    "infinite": "Infinite values",
    "missing": "Missing tensors",
    "misshapen": "Misshapen tensors",
    "vae-damaged": "Damaged VAE",
    "vae-fp16": "VAE overflows in fp16",
    "position-ids": "Position ids",
    "fp16-overflow": "Values beyond fp16",
    "zero": "Nothing but noughts",
    "constant": "One value throughout",
    "no-vae": "No VAE",
    "no-text-encoder": "No text encoder",
    "ema": "EMA copy",
    "fp16-in-fp32": "fp16, stored as fp32",
    "bf16-in-fp32": "bf16, stored as fp32",
    "duplicate": "Stored twice",
}
TIERS: Mapping[str, Badge] = {
    "known": Badge("Known good", "good", "check"),
    "unknown": Badge("Unknown", "warn", "triangle"),
    "dangerous": Badge("Dangerous", "bad", "square"),
}

BASES: Mapping[str, str] = {
    "sd1": "SD 1",
    "sd1.4": "SD 1.4",
    "sd1.5": "SD 1.5",
    "sd1-mini": "SD 1 miniature",
    "sd2": "SD 2",
    "sdxl": "SDXL",
    "sdxl-refiner": "SDXL refiner",
    "sd3": "SD 3",
    "sd3.5-medium": "SD 3.5 medium",
    "sd3.5-large": "SD 3.5 large",
    "flux": "FLUX",
    "sd-x4-upscaler": "SD ×4 upscaler",
}
COMPONENTS: Mapping[str, str] = {
    "unet": "UNet",
    "transformer": "Transformer",
    "ema": "EMA copy",
    "text_encoder": "Text encoder",
    "text_encoder_2": "Second text encoder",
    "text_encoder_3": "Third text encoder",
    "vae": "VAE",
    "vae_encoder": "VAE encoder",
    "vae_decoder": "VAE decoder",
    "image_encoder": "Image encoder",
    "depth_model": "Depth model",
}
#: Of a tensor: its component, or what else it is for.
OWNERS: Mapping[str, str] = {
    **COMPONENTS,
    "schedule": "Noise schedule",
    "optimiser": "Optimiser",
    "loss": "Loss",
    "other": "Other",
}
EMA: Mapping[str, str] = {
    "none": "no separate copy",
    "full": "both copies",
    "only": "the averaged copy only",
}
PREDICTIONS: Mapping[str, str] = {"epsilon": "noise (ε)", "v": "velocity (v)", "flow": "flow"}


def verdict(word: str) -> Badge:
    return VERDICTS.get(word, NOT_INSPECTED)


def base(word: str | None) -> str:
    return BASES.get(word, word) if word else ""


def kind(word: str) -> str:
    return Kind(word).label if word in Kind.values else word.replace("_", " ").capitalize()


def what(kind_word: str, base_word: str) -> str:
    """``("checkpoint", "sd1")`` → "SD 1 checkpoint"."""
    name = "Model" if kind_word == Kind.UNKNOWN else kind(kind_word)
    shown = base(base_word)
    if not shown:
        return name
    # LoRA, VAE and UNet keep their capitals inside a phrase.
    return f"{shown} {name if name[1:] != name[1:].lower() else name.lower()}"


def size(count: int) -> str:
    """Bytes in decimal units, three figures: 2.13 GB, 144 MB, 512 B."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    if unit == "B" or value >= 99.5:
        return f"{value:.0f} {unit}"
    return f"{value:.2f} {unit}" if value < 9.995 else f"{value:.1f} {unit}"


def seconds(value: float) -> str:
    if value < 1:
        return "under 1 s"
    if value < 90:
        return f"{value:.0f} s"
    minutes = value / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest fitting unit: "18 min ago"."""
    passed = ((now or timezone.now()) - moment).total_seconds()
    if passed < 60:
        return "just now"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return "just now"


def clock(moment: datetime, now: datetime | None = None) -> str:
    """The time of day today, the day and time before."""
    local = timezone.localtime(moment)
    today = timezone.localtime(now or timezone.now()).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    return f"{local.day} {local:%b}" if local.year == today.year else f"{local.day} {local:%b %Y}"


def counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def visible(text: str) -> str:
    """Text from a stranger's file with everything invisible spelt out, so that what a reviewer
    reads is what is there."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )
