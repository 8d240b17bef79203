from __future__ import annotations

import pytest

from scanner.errors import EngineError
from scanner.smoke.bases import BASES
from scanner.smoke.options import Options
from scanner.smoke.outcome import Needs, skipped, to_json
from scanner.smoke.prompts import sheet


@pytest.mark.parametrize(
    "given",
    [
        {"size": 0}, {"size": 100}, {"size": 4096}, {"steps": 0}, {"steps": 1000}, {"seed": -1},
        {"pictures": 0}, {"device": "tpu"}, {"clip_skip": 0}, {"clip_skip": 13},
    ],
)  # fmt: skip
def test_nonsense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(EngineError, match=r"smoke\.option"):
        Options(**given)  # type: ignore[arg-type]


def test_every_base_has_configs() -> None:
    for base in BASES.values():
        for part in ("unet", "vae", *map(base.slot, base.text_encoders)):
            assert (base.folder / part / "config.json").is_file()
        assert (base.folder / "scheduler" / "scheduler_config.json").is_file()


def test_a_seed_counts_up_from_picture_to_picture() -> None:
    assert [prompt.seed for prompt in sheet("sd1", 3, seed=7)] == [7, 8, 9]


def test_own_prompts_keep_the_seeds_of_the_sheet() -> None:
    own = sheet("sd1", 1, own=("one", "two"))
    assert [(prompt.text, prompt.seed) for prompt in own] == [("one", 1001), ("two", 1002)]


def test_a_skipped_result_says_what_it_needs() -> None:
    body = to_json(skipped("smoke.needs_parts", "no VAE", Needs("sd1", ("vae",))))
    assert body["needs"] == {"base": "sd1", "parts": ["vae"]}
    assert "needs" not in to_json(skipped("smoke.kind", "nothing to show"))
