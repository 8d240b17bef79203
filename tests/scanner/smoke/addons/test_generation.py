"""Pipelines differ in what they take; pictures come of all of them. (Here because it computes.)"""

from __future__ import annotations

import pytest

from tests.scanner.smoke.addons import pipelines

torch = pytest.importorskip("torch")

from diffusers import (  # noqa: E402
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
)

from scanner.smoke import generation  # noqa: E402
from scanner.smoke.bases import Effort  # noqa: E402
from scanner.smoke.plan import Mode  # noqa: E402
from scanner.smoke.prompts import Prompt  # noqa: E402


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [
        (Mode.TEXT, None, 4),
        (Mode.INPAINT, StableDiffusionXLInpaintPipeline, 9),
        (Mode.PIX2PIX, StableDiffusionXLInstructPix2PixPipeline, 8),
        (Mode.REFINE, StableDiffusionXLImg2ImgPipeline, 4),
    ],
)
def test_every_pipeline_of_sdxl_draws_at_the_size_asked_for_and_tells_of_its_steps(
    mode: Mode, kind: type | None, channels: int
) -> None:
    pipeline = pipelines.sdxl(channels)
    if kind is not None:
        held = {
            name: part
            for name, part in pipeline.components.items()
            if name not in ("image_encoder", "feature_extractor")
        }
        pipeline = kind(**held, add_watermarker=False)
    done: list[int] = []
    prompts = [Prompt("make it winter", 1), Prompt("a red circle", 2)]
    drawn = generation.pictures(
        pipeline, mode, prompts, Effort(64, 2, 2), guidance=6.0, steps_done=done.append
    )
    assert [picture.shape for picture in drawn] == [(64, 64, 3)] * 2
    assert done == [1] * 4
