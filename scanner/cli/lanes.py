"""Several files at a time: processes that each work on one file after the other.

Processes and not threads: every file is read by a forked child, and forking a process that has
threads copies locks which nobody will ever open. For the same reason the lanes are forked before
anything else, and the parent waits for all of them with one selector.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from scanner.errors import EngineError
from scanner.report import Json

#: Works on the item with this number; its result has to be JSON.
Work = Callable[[int], Json]
#: Answers for an item whose lane died over it.
Lost = Callable[[int], Json]

_HEAD = 8


@dataclass(slots=True)
class _Lane:
    pid: int
    orders: int
    results: int
    buffer: bytearray = field(default_factory=bytearray)
    number: int | None = None


def each(work: Work, count: int, lanes: int, lost: Lost | None = None) -> Iterator[Json]:
    """``work(0) … work(count - 1)`` by ``lanes`` processes, in that order.

    If one of them dies, ``lost`` gives the result of the item that it was at, and another takes
    its place; ``EngineError("lanes.lost")`` where nothing answers for it."""
    crew = [_fork(work) for _ in range(min(lanes, count))]
    try:
        yield from _results(crew, count, work, lost)
    finally:
        for lane in crew:
            _end(lane)


def _results(crew: list[_Lane], count: int, work: Work, lost: Lost | None) -> Iterator[Json]:
    waiting = deque(range(count))
    done: dict[int, Json] = {}
    due = 0
    with selectors.DefaultSelector() as selector:
        for lane in crew:
            selector.register(lane.results, selectors.EVENT_READ, lane)
            _order(lane, waiting)
        while due < count:
            for key, _ in selector.select():
                lane = key.data
                number = lane.number
                try:
                    result = _received(lane)
                except EngineError:
                    if lost is None:
                        raise
                    selector.unregister(lane.results)
                    if number is None:
                        continue  # It had nothing to do any more.
                    result = (lost(number),)
                    lane = _replace(crew, lane, work)
                    selector.register(lane.results, selectors.EVENT_READ, lane)
                if result is None or number is None:
                    continue
                done[number] = result[0]
                _order(lane, waiting)
            while due in done:
                yield done.pop(due)
                due += 1


def _replace(crew: list[_Lane], dead: _Lane, work: Work) -> _Lane:
    crew.remove(dead)
    _end(dead)
    crew.append(_fork(work))
    return crew[-1]


def _order(lane: _Lane, waiting: deque[int]) -> None:
    lane.number = waiting.popleft() if waiting else None
    if lane.number is not None:
        # Of one that is dead by now, the end of its results tells.
        with suppress(BrokenPipeError):
            os.write(lane.orders, lane.number.to_bytes(_HEAD, "little"))


def _received(lane: _Lane) -> tuple[Json] | None:
    """The lane's result, once all of it is there."""
    data = os.read(lane.results, 1 << 20)
    if not data:
        raise EngineError("lanes.lost", "a process that reads files died")
    lane.buffer += data
    size = int.from_bytes(lane.buffer[:_HEAD], "little")
    if len(lane.buffer) < _HEAD + size:
        return None
    body = bytes(lane.buffer[_HEAD : _HEAD + size])
    lane.buffer.clear()
    return (json.loads(body),)


def _fork(work: Work) -> _Lane:
    order_reader, order_writer = os.pipe()
    result_reader, result_writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(order_writer)
        os.close(result_reader)
        _serve(work, order_reader, result_writer)
    os.close(order_reader)
    os.close(result_writer)
    return _Lane(pid=pid, orders=order_writer, results=result_reader)


def _serve(work: Work, orders: int, results: int) -> NoReturn:
    """A lane's life: until there are no more orders, or nobody reads the results."""
    status = 1
    # Ctrl-C is for the parent to hear, who ends the lanes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while order := os.read(orders, _HEAD):
            body = json.dumps(work(int.from_bytes(order, "little"))).encode()
            view = memoryview(len(body).to_bytes(_HEAD, "little") + body)
            while view:
                view = view[os.write(results, view) :]
        status = 0
    finally:
        os._exit(status)


def _end(lane: _Lane) -> None:
    os.close(lane.orders)
    os.close(lane.results)
    # A lane in the middle of a file, because the parent was interrupted, has nothing to finish.
    os.kill(lane.pid, signal.SIGTERM)
    os.waitpid(lane.pid, 0)
