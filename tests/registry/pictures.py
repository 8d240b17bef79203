"""An engine that draws at once: pictures of one colour, in the words of the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from registry.engine import Answer, Drawing, Progress
from registry.models import Version
from registry.pipeline import steps

PARAMETERS = "a red circle\nSteps: 8, Sampler: Euler a, CFG scale: 7, Seed: 1001, Size: 64x48"


class Engine:
    """Needs ``wants`` for what it is to draw on a base; keeps what it was asked."""

    def __init__(self, wants: str = "") -> None:
        self.wants = wants
        self.asked: list[Drawing] = []

    def __call__(self, drawing: Drawing, progress: Progress, **_: Any) -> Answer:
        self.asked.append(drawing)
        assert drawing.path.suffix == ".safetensors"
        if self.wants and drawing.base is None:
            result: dict[str, Any] = {
                "verdict": "skipped",
                "checks": [],
                "images": [],
                "code": "smoke.needs_base",
                "reason": "a LoRA needs a base model to be shown on",
                "needs": {"base": self.wants, "parts": []},
            }
            return Answer(1, result, 0.1)
        assert drawing.base is None or drawing.base.suffix == ".safetensors"
        progress(1, 2, "smoke")
        return Answer(0, self._result(drawing), 1.5)

    def _result(self, drawing: Drawing) -> dict[str, Any]:
        images: list[dict[str, Any]] = []
        shown = [("model", None)]
        if drawing.base is not None:
            shown = [("base", None), ("model", 0.5), ("model", 1.0)]
        for group, prompt in enumerate(("a red circle", *filter(None, drawing.prompts)), 1):
            for place, (role, strength) in enumerate(shown):
                about = {"prompt": prompt, "seed": 1001, "parameters": PARAMETERS, "steps": 8}
                about |= {"role": role, "strength": strength, "group": group, "guidance": 7.0}
                for size, width in (("full", 64), ("medium", 32), ("small", 16)):
                    name = f"preview-{group}-{place}-{size}.webp"
                    images.append(about | _saved(drawing.folder / name, width, group + place, size))
        images.append(_saved(drawing.folder / "contact-sheet.webp", 96, 9, "sheet"))
        check = {"name": "blank", "outcome": "passed", "message": "It shows something.",
                 "value": 0.2, "threshold": 0.02}  # fmt: skip
        return {
            "verdict": "passed",
            "checks": [check],
            "images": images,
            "device": "cpu",
            "seconds": 1.5,
        }


def drawn(version: Version) -> Version:
    """The version after its smoke test, by whatever draws."""
    outcome = steps.smoke(version, lambda *_: None)
    assert outcome.commit
    outcome.commit()
    return version


def _saved(path: Path, width: int, hue: int, size: str) -> dict[str, Any]:
    height = width * 3 // 4
    picture = Image.new("RGB", (width, height), (40 * hue % 256, 120, 255 - 30 * hue % 256))
    picture.save(path, "WEBP")
    return {"file": path.name, "size": size, "width": width, "height": height}
