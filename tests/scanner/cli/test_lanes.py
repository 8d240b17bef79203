from __future__ import annotations

import os
import signal
import time
from pathlib import Path

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
    pids: list[int] = []

    def work(number: int) -> Json:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    with pytest.raises(EngineError, match=r"lanes\.lost"):
        pids.extend(int(str(pid)) for pid in lanes.each(work, 6, 2))
    assert not _living(pids)


@pytest.mark.parametrize("deadly", [[3], [0, 1, 2], [5], range(6)])
def test_a_lane_that_dies_costs_one_item_where_that_is_answered_for(deadly: list[int]) -> None:
    pids: list[int] = []

    def work(number: int) -> Json:
        if number in deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return [number, os.getpid()]

    for number, result in enumerate(lanes.each(work, 6, 2, lambda number: [number, None])):
        assert isinstance(result, list)
        assert (result[0], result[1] is None) == (number, number in deadly)
        pids += [int(str(pid)) for pid in result[1:] if pid]
    assert not _living(pids)


def test_whoever_stops_listening_ends_the_lanes() -> None:
    results = lanes.each(lambda number: os.getpid(), 100, 2)
    pids = [int(str(next(results))) for _ in range(4)]
    results.close()  # type: ignore[attr-defined]
    assert pids
    assert not _living(pids)


def _living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path("/proc", str(pid)).exists()]
