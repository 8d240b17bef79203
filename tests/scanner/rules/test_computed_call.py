from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import call, found, integer, name, op, pickled, text, tuple_of


def test_calling_what_a_call_returned_is_malicious() -> None:
    # GHSA-46h3-79wf-xr6c: operator.attrgetter("system")(os)
    getter = call(name("operator", "attrgetter"), text("system"))
    (finding,) = found("computed_call", pickled(call(getter, name("a", "b"))))
    assert finding.severity is Severity.MALICIOUS


def test_calling_an_extension_code_is_suspicious() -> None:
    (finding,) = found("computed_call", pickled(call(op("EXT1", b"\1"), integer(1))))
    assert finding.severity is Severity.SUSPICIOUS


def test_a_classs_own_way_to_restore_itself_is_left_to_a_person() -> None:
    # Protocols before 4 spell ZoneInfo._unpickle so; under any other name it stays malicious.
    for attribute, severity in (("_unpickle", Severity.SUSPICIOUS), ("key", Severity.MALICIOUS)):
        getter = call(name("builtins", "getattr"), name("zoneinfo", "ZoneInfo"), text(attribute))
        (finding,) = found("computed_call", pickled(call(getter, text("UTC"))))
        assert finding.severity is severity


@pytest.mark.parametrize(
    ("module", "attribute"), [("builtins", "getattr"), ("builtins", "type"), ("numpy", "memmap")]
)
def test_the_legacy_forms_class_is_no_way_around_a_rule(module: str, attribute: str) -> None:
    parts = (text("module"), name(module, attribute), text("a.py"), text("source"))
    raw = pickled(call(tuple_of(*parts) + op("BINPERSID"), name("a", "b"), text("x")))
    assert [finding.severity for finding in found("computed_call", raw)] == [Severity.MALICIOUS]


def test_the_legacy_forms_class_is_a_name() -> None:
    parts = (text("module"), name("a", "B"), text("a.py"), text("source"))
    raw = pickled(call(tuple_of(*parts) + op("BINPERSID")))
    assert not found("computed_call", raw)


def test_calling_a_name_is_left_to_the_names_rules() -> None:
    assert not found("computed_call", pickled(call(name("collections", "OrderedDict"))))
