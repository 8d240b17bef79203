from __future__ import annotations

import threading

import pytest

from scanner.beside import Beside


def test_the_work_is_done_in_another_thread() -> None:
    assert Beside(threading.get_ident).answer() != threading.get_ident()


def test_what_it_raises_is_raised_where_the_answer_is_wanted() -> None:
    def broken() -> None:
        raise KeyError("a defect")

    beside = Beside(broken)
    with pytest.raises(KeyError, match="a defect"):
        beside.answer()


def test_somebody_may_be_told_while_it_lasts() -> None:
    go = threading.Event()
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(go.is_set())
        go.set()

    assert Beside(go.wait).answer(waiting)
    assert waited[0] is False


def test_where_there_may_be_no_thread_it_is_done_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Beside(threading.get_ident).answer() == threading.get_ident()
