"""Preview files: WebP in three widths, with the generation parameters in the full one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Pillow would import all its formats to find this one.
from PIL import Image, WebPImagePlugin  # noqa: F401

from scanner.smoke.outcome import Picture
from scanner.smoke.prompts import Prompt

#: Longest width in pixels; a picture is never enlarged.
WIDTHS: Mapping[str, int | None] = {"full": None, "medium": 384, "small": 192}
QUALITY = 90
_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286


@dataclass(frozen=True, slots=True)
class Making:
    """How a picture was made; ``lent`` are parts that are not the model's own, and whose."""

    prompt: Prompt
    steps: int
    guidance: float
    sampler: str
    model: str
    version: str
    width: int
    height: int
    lent: tuple[tuple[str, str], ...] = ()
    clip_skip: int | None = None


def parameters(making: Making) -> str:
    """The text that WebUI users know: prompt, negative prompt, then the settings in one line."""
    skipped = {} if making.clip_skip in (None, 1) else {"Clip skip": making.clip_skip}
    settings = {
        "Steps": making.steps,
        "Sampler": making.sampler,
        "CFG scale": f"{making.guidance:g}",
        "Seed": making.prompt.seed,
        "Size": f"{making.width}x{making.height}",
        "Model": _quoted(making.model),
        **skipped,
        **{part[:1].upper() + part[1:]: _quoted(model) for part, model in making.lent},
        "Version": making.version,
    }
    lines = [making.prompt.text]
    if making.prompt.negative:
        lines.append(f"Negative prompt: {making.prompt.negative}")
    lines.append(", ".join(f"{key}: {value}" for key, value in settings.items()))
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """As WebUI writes a value that would not come back as it was."""
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:\n"') else text


def save(image: Image.Image, folder: Path, stem: str, making: Making) -> tuple[Picture, ...]:
    """Write the three sizes of ``image`` into ``folder``; one Picture a file, full size first."""
    text = parameters(making)
    return tuple(_save(image, folder, stem, size, making, text) for size in WIDTHS)


def _save(
    image: Image.Image, folder: Path, stem: str, size: str, making: Making, text: str
) -> Picture:
    resized = _shrunk(image, WIDTHS[size])
    name = f"{stem}-{size}.webp"
    exif = _exif(text) if size == "full" else b""
    resized.save(folder / name, "WEBP", quality=QUALITY, method=4, exif=exif)
    return Picture(
        file=name,
        size=size,
        width=resized.width,
        height=resized.height,
        seed=making.prompt.seed,
        prompt=making.prompt.text,
        steps=making.steps,
        guidance=making.guidance,
        parameters=text,
    )


def _shrunk(image: Image.Image, width: int | None) -> Image.Image:
    if width is None or image.width <= width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _exif(text: str) -> bytes:
    """The parameters where WebUI looks for them: UserComment in UTF-16 with its eight-byte mark."""
    exif = Image.Exif()
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    return exif.tobytes()
