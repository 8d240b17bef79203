from __future__ import annotations

import unicodedata

import pytest

from registry import names
from registry.errors import UserError


@pytest.mark.parametrize("name", ["model.ckpt", "蕨.pt", "con-fusion.pt", "a b (1).safetensors"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert names.checked(name) == name


def test_two_spellings_of_one_name_become_one() -> None:
    assert names.checked(unicodedata.normalize("NFD", "Zoë.pt")) == "Zoë.pt"


@pytest.mark.parametrize(
    "name",
    [
        "", " ", ".", "..", ".hidden", "a/b.pt", "a\\b.pt", "a\0b", "a\nb", "photo\u202etp.ckpt",
        "a:b", "what?", "dot.", "CON", "nul.safetensors", "com1.pt", "Lpt9.tar.gz", "é" * 128,
        "a\udc80.pt",
    ],
)  # fmt: skip
def test_what_cannot_be_a_name_everywhere_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"file\.name"):
        names.checked(name)


@pytest.mark.parametrize("stem", ["a" * 252, "é" * 126, "蕨" * 84])
def test_an_ending_finds_room_whatever_the_stem(stem: str) -> None:
    name = names.with_ending(stem, "-12.safetensors")
    assert names.checked(name) == name
    assert len(name.encode()) > names.MAX_BYTES - 4
