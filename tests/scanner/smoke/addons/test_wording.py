from __future__ import annotations

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


def test_words_that_are_there_already_are_not_repeated() -> None:
    words = of(AddOn("lora", BASE, "Cat"), Options(), "file")
    assert words.within(CAT) is CAT


def test_a_word_within_another_calls_nothing_up() -> None:
    assert called("ir").search("a red circle") is None
    assert called("<one>").sub("two", "a <ONE>, <oner>") == "a two, <oner>"
