from __future__ import annotations

from scanner.report import Severity
from tests.scanner.opcode_builder import found, name, op, pickled


def test_a_name_that_no_table_lists_is_suspicious() -> None:
    (finding,) = found("unknown_import", pickled(name("evil_helper.core", "initialise")))
    assert finding.severity is Severity.SUSPICIOUS


def test_a_method_of_a_known_class_is_not_known() -> None:
    raw = pickled(name("collections", "OrderedDict.fromkeys"), protocol=4)
    assert [f.global_ for f in found("unknown_import", raw)] == ["collections.OrderedDict.fromkeys"]


def test_a_name_is_reported_once() -> None:
    raw = pickled(name("a", "B"), op("POP"), name("a", "B"))
    assert len(found("unknown_import", raw)) == 1


def test_known_names_in_either_spelling_are_no_finding() -> None:
    raw = pickled(name("__builtin__", "set"), op("POP"), name("builtins", "set"))
    assert not found("unknown_import", raw)
