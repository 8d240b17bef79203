from __future__ import annotations

from scanner.report import Severity
from tests.scanner.opcode_builder import call, found, integer, name, op, pickled, text


def test_calling_what_a_call_returned_is_malicious() -> None:
    # GHSA-46h3-79wf-xr6c: operator.attrgetter("system")(os)
    getter = call(name("operator", "attrgetter"), text("system"))
    (finding,) = found("computed_call", pickled(call(getter, name("a", "b"))))
    assert finding.severity is Severity.MALICIOUS


def test_calling_an_extension_code_is_suspicious() -> None:
    (finding,) = found("computed_call", pickled(call(op("EXT1", b"\1"), integer(1))))
    assert finding.severity is Severity.SUSPICIOUS


def test_calling_a_name_is_left_to_the_names_rules() -> None:
    assert not found("computed_call", pickled(call(name("collections", "OrderedDict"))))
