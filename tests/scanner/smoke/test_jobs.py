from __future__ import annotations

import json
from pathlib import Path

import pytest

from scanner.errors import EngineError
from scanner.smoke.jobs import Cancel, Job, understood
from scanner.smoke.options import Options


def line(**body: object) -> bytes:
    return json.dumps(body).encode()


def test_a_job_is_understood() -> None:
    job = understood(
        line(
            id="7", path="/m", out="/o", base="/b", prompts=["one", "two"], trigger="tok",
            device="cpu", model="M", base_model="B", clip_skip=2, size=64, steps=3, seed=0,
            pictures=1,
        )
    )  # fmt: skip
    options = Options(
        64, 3, 0, ("one", "two"), 1, "cpu", "M", Path("/b"), "tok", 2, "B"
    )  # fmt: skip
    assert job == Job("7", Path("/m"), Path("/o"), options)


def test_what_is_null_is_left_to_us() -> None:
    job = understood(line(id="7", path="/m", out="/o", prompts=None, size=None, device=None))
    assert job == Job("7", Path("/m"), Path("/o"), Options())


def test_a_word_to_cancel_is_understood() -> None:
    assert understood(line(cancel="7")) == Cancel("7")


@pytest.mark.parametrize("words", [b"x", b"[]", b"7", b"{}", b"[" * 10_000, b"\xff", b'{"id": 7}'])
def test_nonsense_is_refused(words: bytes) -> None:
    with pytest.raises(EngineError, match=r"smoke\.job") as refused:
        understood(words)
    assert "id" not in refused.value.params


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": None}, {"out": 7}, {"size": "64"}, {"size": True}, {"prompts": "one"},
        {"prompts": [1]}, {"trigger": []}, {"colour": "red"},
    ],
)  # fmt: skip
def test_a_job_of_the_wrong_shape_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(EngineError, match=r"smoke\.job") as refused:
        understood(line(**{"id": "7", "path": "/m", "out": "/o", **wrong}))
    assert refused.value.params["id"] == "7"


def test_a_choice_out_of_bounds_is_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"smoke\.option") as refused:
        understood(line(id="7", path="/m", out="/o", size=100))
    assert refused.value.params["id"] == "7"
