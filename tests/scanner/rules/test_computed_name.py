from __future__ import annotations

from scanner.report import Severity
from tests.scanner.opcode_builder import call, found, name, op, pickled, stack_name, text


def test_a_name_made_while_loading_is_malicious() -> None:
    # picklescan's sys.modules override sample: the name is what an earlier call returns.
    made = call(name("builtins", "str"), text("os"))
    raw = pickled(made, text("system"), op("STACK_GLOBAL"), protocol=4)
    (finding,) = found("computed_name", raw)
    assert finding.severity is Severity.MALICIOUS
    assert finding.global_ == "<computed>.system"


def test_a_written_name_is_no_finding() -> None:
    assert not found("computed_name", pickled(stack_name("os", "system"), protocol=4))
