"""Every name that CPython's C unpickler asks for, calls or changes is in our traces."""

from __future__ import annotations

import pytest

from tests.fuzz import oracle
from tests.fuzz.differential import missed, ours
from tests.fuzz.oracle import Seen, witness
from tests.fuzz.running import fuzz
from tests.scanner.opcode_builder import call, name, op, pickled, text

CASES = 10_000


@pytest.mark.parametrize("seed", ["1", "2"])
def test_no_name_that_c_asks_for_is_missed(seed: str) -> None:
    assert "every name seen" in fuzz("differential", CASES, seed)


def test_the_oracle_sees_what_is_asked_for_called_and_changed() -> None:
    hostile = call(name("os", "system"), text("x")) + op("EMPTY_DICT") + op("BUILD")
    seen, _ = witness(oracle.SINGLE["bytes-file utf-8"], pickled(hostile))
    expected = {("os", "system")}
    assert (seen.names, seen.called, seen.changed) == (expected, expected, expected)


def test_what_we_did_not_see_is_told() -> None:
    raw = pickled(call(name("os", "system"), text("x")))
    seen, _ = witness(oracle.SINGLE["bytes-file utf-8"], raw)
    assert not missed(seen, ours(raw))
    assert missed(seen, Seen()) == "asked for: [('os', 'system')]"
    assert missed(seen, Seen(names={("os", "system")})) == "called: [('os', 'system')]"
