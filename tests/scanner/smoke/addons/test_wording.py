from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.smoke.addons.wording import called, of
from scanner.smoke.options import Options
from scanner.smoke.plan import AddOn, Generate, Mode
from scanner.smoke.prompts import Prompt

BASE = Generate("sd1", Mode.TEXT, "epsilon", 4)
CAT = Prompt("a cat", 1)


def asked(kind: str, own: str | None, given: str | None) -> tuple[str, str, str]:
    """Without, with, and as written at half strength."""
    words = of(AddOn(kind, BASE, own), Options(trigger=given), "file")
    within = words.within(CAT)
    return words.without(CAT).text, within.text, words.written(within, 0.5).text


@pytest.mark.parametrize(
    ("kind", "own", "given", "wanted"),
    [
        ("lora", None, None, ("a cat", "a cat", "a cat <lora:file:0.5>")),
        ("lora", "ohwx", None, ("ohwx, a cat", "ohwx, a cat", "ohwx, a cat <lora:file:0.5>")),
        ("lora", "ohwx", "sks", ("sks, a cat", "sks, a cat", "sks, a cat <lora:file:0.5>")),
        ("hypernetwork", None, None, ("a cat", "a cat", "a cat <hypernet:file:0.5>")),
        ("embedding", None, None, ("a cat", "file, a cat", "(file:0.5), a cat")),
        ("embedding", "tok", None, ("a cat", "tok, a cat", "(tok:0.5), a cat")),
        ("embedding", "tok", "else", ("a cat", "else, a cat", "(else:0.5), a cat")),
        ("embedding", "tok", "by TOK, oil",
         ("a cat", "by TOK, oil, a cat", "by (TOK:0.5), oil, a cat")),
    ],
)  # fmt: skip
def test_prompts(kind: str, own: str | None, given: str | None, wanted: tuple[str, ...]) -> None:
    assert asked(kind, own, given) == wanted


@pytest.mark.parametrize(
    "name",
    ["EasyNegative", "badhandv4", "bad-hands-5", "ng_deepnegative_v1_75t", "zPDXL-neg",
     "verybadimagenegative_v1.3", "unaestheticXLv13", "bad_prompt_version2"],
)  # fmt: skip
def test_what_is_made_to_be_avoided_stands_in_the_negative_prompt(name: str) -> None:
    words = of(AddOn("embedding", BASE, None), Options(), name)
    within = words.within(replace(CAT, negative="blurry"))
    assert (within.text, within.negative) == ("a cat", f"{name}, blurry")
    assert words.written(within, 0.5).negative == f"({name}:0.5), blurry"
    assert words.within(CAT).negative == name


@pytest.mark.parametrize("name", ["badger", "negligee", "kingsong", "angry", "style-x", "ugliness"])
def test_other_names_stand_in_the_prompt(name: str) -> None:
    words = of(AddOn("embedding", BASE, None), Options(), name)
    assert words.within(CAT).text == f"{name}, a cat"
    assert not words.within(CAT).negative


def test_only_embeddings_are_avoided() -> None:
    assert not of(AddOn("lora", BASE, None), Options(), "negative-space").negative


def test_words_that_are_there_already_are_not_repeated() -> None:
    words = of(AddOn("lora", BASE, "Cat"), Options(), "file")
    assert words.within(CAT) == CAT


def test_a_word_within_another_calls_nothing_up() -> None:
    assert called("ir").search("a red circle") is None
    assert called("<one>").sub("two", "a <ONE>, <oner>") == "a two, <oner>"
