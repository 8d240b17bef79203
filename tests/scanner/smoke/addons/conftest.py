"""Tests in this folder compute with torch. A process that has done so forks no more jails: its
threads would not be there in the child. So each test computes in a child of its own."""

from __future__ import annotations

import os
import traceback

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.path.name == "test_showing.py":
        return None  # These start jails themselves.
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os._exit(_run(pyfuncitem, given, writer))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        pytest.fail(told or f"the child ended with status {status}", pytrace=False)
    return True


def _run(item: pytest.Function, given: dict[str, object], writer: int) -> int:
    import torch

    try:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        item.obj(**given)
    except BaseException:
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            pipe.write(traceback.format_exc())
        return 1
    return 0
