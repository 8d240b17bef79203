from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.portal.presenters import words


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (4_265_380_512, "4.27 GB"),
        (151_108_831, "151 MB"),
        (20_500_000, "20.5 MB"),
        (999_600_000, "1.00 GB"),
        (5_000_000_000_000, "5000 GB"),
    ],
)
def test_sizes_have_three_figures(count: int, shown: str) -> None:
    assert words.size(count) == shown


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=18), "18 min ago"),
        (timedelta(hours=1, minutes=59), "1 h ago"),
        (timedelta(days=3), "3 d ago"),
    ],
)
def test_how_long_ago(passed: timedelta, shown: str) -> None:
    now = timezone.now()
    assert words.ago(now - passed, now) == shown


@pytest.mark.parametrize(
    ("kind", "base", "shown"),
    [
        ("checkpoint", "sd1", "SD 1 checkpoint"),
        ("lora", "sdxl", "SDXL LoRA"),
        ("vae", "", "VAE"),
        ("unknown", "", "Model"),
        ("text_encoder", "sd2", "SD 2 text encoder"),
        ("checkpoint", "something-new", "something-new checkpoint"),
    ],
)
def test_what_it_is_in_a_phrase(kind: str, base: str, shown: str) -> None:
    assert words.what(kind, base) == shown


def test_invisible_characters_are_spelt_out() -> None:
    assert words.visible("a\u202eb\x00c\n") == "a\\u202eb\\x00c\n"
    assert words.visible("\ud800") == "\\ud800"
    assert words.visible("naïve 模型") == "naïve 模型"


def test_an_unknown_verdict_is_not_called_clean() -> None:
    assert words.verdict("").text == "Not inspected"
    assert words.verdict("novel").tone != "good"
