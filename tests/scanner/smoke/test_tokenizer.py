from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from scanner.errors import EngineError
from scanner.smoke import tokenizer

pytestmark = pytest.mark.usefixtures("fresh")


@pytest.fixture
def fresh() -> None:
    tokenizer.vocabulary.cache_clear()


@pytest.mark.parametrize(
    ("token", "number"),
    [
        ("!", 0),
        ("a</w>", 320),
        ("of</w>", 539),
        ("photo</w>", 1125),
        ("cat</w>", 2368),
        ("<|startoftext|>", 49406),
        ("<|endoftext|>", 49407),
    ],
)
def test_tokens_have_the_numbers_of_clip(token: str, number: int) -> None:
    assert tokenizer.vocabulary()[0][token] == number


def test_the_vocabulary_is_as_long_as_the_encoder_expects() -> None:
    vocabulary, merges = tokenizer.vocabulary()
    assert len(vocabulary) == 49408
    assert len(merges) == 48894


def test_a_missing_package_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(tokenizer, "distribution", missing)
    with pytest.raises(EngineError, match="pip install --no-deps open_clip_torch") as raised:
        tokenizer.vocabulary()
    assert raised.value.code == "smoke.no_vocabulary"
