from __future__ import annotations

import os
import signal
import time

import pytest

from scanner.cli import lanes
from scanner.errors import EngineError
from scanner.report import Json


def test_results_come_in_order_whoever_is_first() -> None:
    def work(number: int) -> Json:
        time.sleep(0.05 if number % 3 == 0 else 0)
        return number * number

    assert list(lanes.each(work, 20, 3)) == [number * number for number in range(20)]


def test_large_results_pass_whole() -> None:
    sizes = [len(str(result)) for result in lanes.each(lambda n: "x" * 3_000_000, 3, 2)]
    assert sizes == [3_000_000] * 3


def test_the_work_is_shared_among_processes() -> None:
    def work(number: int) -> Json:
        time.sleep(0.1)
        return os.getpid()

    pids = set(lanes.each(work, 4, 2))  # type: ignore[arg-type]
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_a_lane_that_dies_is_an_error_and_no_process_is_left() -> None:
    def work(number: int) -> Json:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(EngineError, match=r"lanes\.lost"):
        list(lanes.each(work, 6, 2))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_whoever_stops_listening_ends_the_lanes() -> None:
    results = lanes.each(lambda number: number, 100, 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
