"""What torch's reader and Python's hand out of a zip is among what we judged."""

from __future__ import annotations

from tests.fuzz.running import fuzz

CASES = 300


def test_no_member_that_a_reader_would_load_is_missed() -> None:
    assert "every member seen" in fuzz("members", CASES)
