"""The prompt sheet is data; what the code relies on in it is held here."""

from __future__ import annotations

import pytest

from scanner.smoke import bases, prompts
from scanner.smoke.options import CLIP_SKIPS
from scanner.smoke.plan import Mode
from scanner.smoke.prompts import FAMILIES, SHEETS, family_of, sheet


def test_every_base_has_a_sheet_for_what_it_starts_from() -> None:
    assert set(prompts.BASES) == set(bases.BASES)
    for name, base in bases.BASES.items():
        modes = prompts.BASES[name]
        assert set(modes) <= set(Mode)
        wanted = max(base.gpu.pictures, base.cpu.pictures)
        assert all(len(SHEETS[named]) >= wanted for named in modes.values())
    ordinary = {Mode.TEXT, Mode.INPAINT, Mode.PIX2PIX}
    assert all(set(prompts.BASES[name]) == ordinary for name in ("sd1", "sd2", "sdxl", "sd1-mini"))
    assert set(prompts.BASES["sdxl-refiner"]) == {Mode.REFINE}


def test_pictures_of_different_sheets_can_be_compared() -> None:
    seeds = {tuple(prompt.seed for prompt in lines) for lines in SHEETS.values()}
    assert seeds == {(1001, 1002, 1003)}


def test_no_prompt_is_longer_than_the_text_encoder_reads() -> None:
    longest = max(len(family.before) for family in FAMILIES.values())
    for lines in SHEETS.values():
        # 75 tokens; a token of English has about four letters.
        assert all(prompt.text.strip() and longest + len(prompt.text) < 200 for prompt in lines)


def test_families_are_of_known_bases_and_sheets() -> None:
    for family in FAMILIES.values():
        assert set(family.bases) <= set(bases.BASES)
        assert family.sheet in SHEETS
        assert family.words
        assert all(word == word.lower() for word in family.words)
        assert family.clip_skip is None or family.clip_skip in CLIP_SKIPS


@pytest.mark.parametrize(
    ("base", "name", "family"),
    [
        ("sdxl", "Pony Diffusion V6 XL", "pony"),
        ("sdxl", "ponyRealism_v21", "pony"),
        ("sdxl", "Illustrious-XL-v0.1", "illustrious"),
        ("sdxl", "NoobAI-XL V-Pred", "illustrious"),
        ("sd1", "AnythingV5", "novelai"),
        ("sd2", "waifu-diffusion 1.5", "waifu-diffusion"),
        ("sd1", "Pony Diffusion", None),
        ("sd1", "v1-5-pruned-emaonly", None),
        ("sdxl", "sd_xl_base_1.0", None),
    ],
)
def test_a_name_gives_the_family_away(base: str, name: str, family: str | None) -> None:
    found = family_of(base, [None, name])
    assert (found.name if found else None) == family


def test_a_family_is_asked_in_its_own_style() -> None:
    tags = sheet("sdxl", 1, family=FAMILIES["pony"])[0]
    assert tags.text.startswith("score_9, ")
    assert tags.text.endswith(SHEETS["tags"][0].text)
    assert tags.negative == SHEETS["tags"][0].negative
    assert tags.seed == sheet("sdxl", 1)[0].seed


def test_own_prompts_are_taken_as_they_are() -> None:
    own = sheet("sdxl", 1, own=("mine",), family=FAMILIES["pony"])
    assert [prompt.text for prompt in own] == ["mine"]


def test_an_empty_prompt_stands_for_the_sheet() -> None:
    texts = [prompt.text for prompt in sheet("sd1-mini", 2, own=("", "mine"))]
    assert texts == [*(prompt.text for prompt in sheet("sd1-mini", 2)), "mine"]
    assert sheet("sd1", 1, own=("",)) == sheet("sd1", 1)


def test_an_empty_prompt_stands_for_those_of_the_sheet() -> None:
    texts = [prompt.text for prompt in sheet("sd1-mini", 2, own=("", "mine"))]
    assert texts == ["a red circle", "a blue square on a light background", "mine"]


def test_trigger_words_join_every_prompt_once() -> None:
    texts = [prompt.text for prompt in sheet("sd1", 1, own=("a cat", "a Tok dog"), trigger="tok")]
    assert texts == ["tok, a cat", "a Tok dog"]
    assert sheet("sd1-mini", 1, trigger="tok")[0].text == "tok, a red circle"


def test_a_model_that_is_told_what_to_change_gets_instructions() -> None:
    assert sheet("sd1", 1, mode=Mode.PIX2PIX)[0] == SHEETS["instructions"][0]
    assert sheet("sd1", 1, mode=Mode.INPAINT, family=FAMILIES["novelai"])[0] == SHEETS["scene"][0]
