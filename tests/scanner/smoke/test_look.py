from __future__ import annotations

import pytest

from scanner.errors import EngineError
from scanner.report import Json
from scanner.smoke.look import understood, written
from scanner.smoke.places import Place
from scanner.smoke.plan import AddOn, Generate, Mode, Plan, RoundTrip

GENERATE: dict[str, Json] = {
    "base": "sd1", "mode": "inpaint", "prediction": None, "in_channels": 9,
}  # fmt: skip


@pytest.mark.parametrize(
    "plan",
    [
        Generate("sd1", Mode.INPAINT, "epsilon", 9),
        Generate("sd2", Mode.TEXT, None, 4),
        Generate(
            "sd1",
            Mode.TEXT,
            "v",
            4,
            (Place("unet", "sd1", "ldm-unet", "a."), Place("vae", "v", "ldm-vae", "", lent=True)),
        ),
        RoundTrip("sd1-mini"),
        RoundTrip("sd1", Generate("sdxl", Mode.TEXT, "epsilon", 4)),
        AddOn("lora", Generate("sd1", Mode.TEXT, "epsilon", 4)),
        AddOn("embedding", Generate("sd2", Mode.TEXT, None, 4), "a-token"),
    ],
)
def test_a_plan_comes_out_of_the_jail_as_it_went_in(plan: Plan) -> None:
    assert understood(written(plan)) == plan


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"base": "../etc"},
        {"base": "sd1", "mode": "rm", "prediction": None, "in_channels": 4},
        {"base": "sd1", "mode": "inpaint"},
        {**GENERATE, "places": None},
        {**GENERATE, "places": [["unet", "sd1", "ldm-unet", "a."]]},
        {**GENERATE, "places": [["shell", "sd1", "ldm-unet", "a.", False]]},
        {**GENERATE, "places": [["unet", "sd1", "pickle", "a.", False]]},
        {"base": "sd1", "on": {"base": "sd1"}},
        {"add_on": "lora", "on": None, "trigger": None},
        {"add_on": "virus", "on": {}, "trigger": None},
    ],
)
def test_nonsense_out_of_the_jail_is_refused(body: Json) -> None:
    with pytest.raises(EngineError, match=r"sandbox\.crashed"):
        understood(body)
