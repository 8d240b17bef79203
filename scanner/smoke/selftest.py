"""Does the smoke test itself work on this machine? The trained miniature is made and shown: it has
to pass without a remark, and what was asked for has to be on its pictures."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from scanner import smoke
from scanner.report import Json
from scanner.smoke.options import Options
from scanner.smoke.outcome import Check, Outcome, Progress

_PROMPTS = ("a red circle", "a blue square")
_FILE = "mini.safetensors"


def run(options: Options, progress: Progress | None = None) -> tuple[dict[str, Json], int]:
    """The result as for any model, with a check ``selftest``; and the exit status."""
    # Imported when it is asked for: nothing else needs the miniature.
    from scanner.smoke import miniature

    with tempfile.TemporaryDirectory(prefix="weighhouse-selftest-") as folder:
        path = miniature.files(Path(folder) / "files")[_FILE]
        out = Path(folder) / "out"
        asked = replace(options, prompts=_PROMPTS, model="the miniature")
        result, _ = smoke.shown(path, out, options=asked, progress=progress)
        right = _right(result, out)
    passed = result["verdict"] == Outcome.PASSED and right == len(_PROMPTS)
    check = Check(
        "selftest",
        Outcome.PASSED if passed else Outcome.FAILED,
        "The smoke test works: the miniature draws what it is told."
        if passed
        else "The smoke test does not work on this machine: the miniature is sound, and it was not "
        "found to be.",
        float(right),
        float(len(_PROMPTS)),
    )
    checks = result["checks"] if isinstance(result["checks"], list) else []
    body = {**result, "checks": [*checks, check.json()], "images": []}
    return body | ({} if passed else {"verdict": Outcome.FAILED.value}), 0 if passed else 1


def _right(result: dict[str, Json], out: Path) -> int:
    """How many pictures have the colour that they were asked to have."""
    from scanner.smoke.miniature.judging import see

    right = 0
    for image in result["images"] if isinstance(result["images"], list) else []:
        if not isinstance(image, dict) or image.get("size") != "full":
            continue
        with Image.open(out / str(image["file"])) as picture:
            pixels = np.asarray(picture.convert("RGB"), np.float32) / np.float32(255)
        colour = see(pixels).colour
        right += bool(colour) and colour in str(image.get("prompt"))
    return right
