from __future__ import annotations

import pytest

from scanner.cli import words


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_900, "1.00 MB"),
        (9_996_000, "10.0 MB"),
        (39_040_290, "39.0 MB"),
        (4_265_380_512, "4.27 GB"),
    ],
)
def test_sizes_have_three_figures(count: int, shown: str) -> None:
    assert words.size(count) == shown
