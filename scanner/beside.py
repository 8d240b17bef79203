"""Work beside other work: one thread, and its answer when it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

_T = TypeVar("_T")
_BETWEEN = 0.2  # seconds


class Beside(Generic[_T]):
    """Runs ``work`` in a thread of its own from now on. Where no thread may be started (a jail
    can forbid it), it is done when its answer is asked for."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work = work
        self._answers: list[_T] = []
        self._failure: BaseException | None = None
        self._thread: Thread | None = Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None

    def _run(self) -> None:
        try:
            self._answers.append(self._work())
        except BaseException as error:
            # Kept, and raised where the answer is asked for.
            self._failure = error

    def answer(self, waiting: Callable[[], None] | None = None) -> _T:
        """What the work returned, once it has; or what it raised. ``waiting`` is called a few
        times a second until then."""
        if self._thread is None:
            return self._work()
        while waiting is not None and self._thread.is_alive():
            self._thread.join(_BETWEEN)
            waiting()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._answers[0]
