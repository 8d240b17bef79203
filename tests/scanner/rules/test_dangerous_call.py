from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    MARK,
    REDUCE,
    call,
    dict_of,
    found,
    name,
    op,
    pickled,
    proto,
    stack_name,
    text,
    tuple_of,
)  # fmt: skip


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"),
        ("__builtin__", "eval"),  # as Python 2 spells it
        ("httplib", "HTTPSConnection"),
        ("torch", "serialization.os.system"),  # CVE-2025-1716: through an allowed module
        ("collections", "OrderedDict.__base__.__subclasses__"),
        ("torch.utils.collect_env", "run"),  # GHSA-jhph-76pp-mggw
        ("torch._dynamo.guards", "GuardBuilder.get"),  # GHSA-86cj-95qr-2p4f
        ("torch.jit.unsupported_tensor_ops", "execWrapper"),  # GHSA-vr7h-p6mm-wpmh
        ("idlelib.pyshell", "ModifiedInterpreter.runcode"),  # GHSA-3gf5-cxq9-w223
        ("numpy.f2py.crackfortran", "getlincoef"),  # GHSA-r8g5-cgf2-4m4m
        ("pkgutil", "resolve_name"),  # GHSA-vvpj-8cmc-gx39
        ("ensurepip", "_run_pip"),  # GHSA-xp4f-hrf8-rxw7
        ("asyncio.unix_events", "_UnixSubprocessTransport._start"),  # GHSA-q77w-mwjj-7mqx
        ("copyreg", "add_extension"),
        ("logging.config", "dictConfig"),
    ],
)
def test_a_call_of_a_dangerous_name_is_malicious(module: str, attribute: str) -> None:
    (finding,) = found("dangerous_call", pickled(call(name(module, attribute), text("touch x"))))
    assert finding.severity is Severity.MALICIOUS
    assert finding.global_ == f"{module}.{attribute}"
    assert finding.argument == "('touch x')"
    assert finding.opcode == "REDUCE"


@pytest.mark.parametrize(
    ("module", "attribute"),
    [("numpy", "memmap"), ("torch.utils.checkpoint", "checkpoint")],
)
def test_some_names_are_dangerous_only_when_they_are_called(module: str, attribute: str) -> None:
    # An array that was mapped names its class; a model holds the function it checkpoints with.
    array = (name("numpy.core.multiarray", "_reconstruct"), name(module, attribute))
    assert not found("dangerous_call", pickled(call(*array)))
    assert not found("dangerous_import", pickled(call(*array)))
    (finding,) = found("dangerous_call", pickled(call(name(module, attribute), text("/etc/x"))))
    assert finding.severity is Severity.MALICIOUS


def test_the_offsets_lead_to_the_call() -> None:
    raw = pickled(call(name("os", "system"), text("x")))
    (finding,) = found("dangerous_call", raw)
    assert finding.member_offset == finding.offset == raw.rindex(REDUCE)


@pytest.mark.parametrize(
    "raw",
    [
        pickled(stack_name("os", "system"), tuple_of(text("x")), REDUCE, protocol=4),
        pickled(MARK, text("x"), op("INST", b"os\nsystem\n")),
        pickled(MARK, name("os", "system"), text("x"), op("OBJ")),
        pickled(name("os", "system"), tuple_of(text("x")), op("NEWOBJ")),
        pickled(name("os", "system"), tuple_of(text("x")), dict_of(), op("NEWOBJ_EX"), protocol=4),
        # Hexadecimal INT: pickletools stops here, C did not before 3.14.
        proto(2) + op("INT", b"0x1\n") + call(name("os", "system"), text("x")) + b".",
        # The name's parts through the memo, under another value.
        pickled(
            text("os"), op("BINPUT", b"\7"), op("POP"), op("NONE"), op("BINGET", b"\7"),
            text("system"), op("STACK_GLOBAL"), tuple_of(text("x")), REDUCE, protocol=4,
        ),
        # Escapes in a protocol-0 string.
        op("STRING", b"'\\x6fs'\n") + op("STRING", b"'s\\171stem'\n") + op("STACK_GLOBAL")
        + tuple_of(text("x")) + b"R.",
        # Nothing behind the call, not even STOP.
        proto(2) + call(name("os", "system"), text("x")),
    ],
)  # fmt: skip
def test_every_way_to_call_is_seen(raw: bytes) -> None:
    assert [finding.global_ for finding in found("dangerous_call", raw)] == ["os.system"]


def test_a_prompt_that_reads_like_code_is_no_call() -> None:
    assert not found("dangerous_call", pickled(dict_of((text("prompt"), text("os.system('x')")))))
