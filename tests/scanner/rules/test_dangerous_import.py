from __future__ import annotations

from scanner.report import Severity
from tests.scanner.opcode_builder import call, found, name, pickled, text


def test_a_dangerous_name_is_malicious_even_if_it_is_not_called() -> None:
    (finding,) = found("dangerous_import", pickled(name("os", "system")))
    assert finding.severity is Severity.MALICIOUS
    assert finding.global_ == "os.system"


def test_a_dangerous_name_as_an_argument_is_found() -> None:
    # defaultdict(os.system): called when a key is missing.
    raw = pickled(call(name("collections", "defaultdict"), name("os", "system")))
    assert [finding.global_ for finding in found("dangerous_import", raw)] == ["os.system"]


def test_a_called_name_is_left_to_the_call() -> None:
    assert not found("dangerous_import", pickled(call(name("os", "system"), text("x"))))


def test_a_known_name_is_no_finding() -> None:
    assert not found("dangerous_import", pickled(name("collections", "OrderedDict")))
