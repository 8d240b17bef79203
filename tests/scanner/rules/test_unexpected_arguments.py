from __future__ import annotations

import pytest

from scanner.report import Severity
from tests.scanner.opcode_builder import (
    EMPTY,
    REDUCE,
    call,
    dict_of,
    found,
    integer,
    name,
    op,
    ordered_dict,
    pickled,
    storage,
    tensor,
    text,
    tuple_of,
)  # fmt: skip

REBUILD = name("torch._utils", "_rebuild_tensor_v2")
REST = (tuple_of(), tuple_of(), op("NEWFALSE"), ordered_dict())


def test_a_genuine_tensor_is_no_finding() -> None:
    assert not found("unexpected_arguments", pickled(tensor()))


@pytest.mark.parametrize(
    "raw",
    [
        # CVE-2026-24747: the offset is no integer, the storage no storage.
        call(REBUILD, storage(), text("0"), *REST),
        call(REBUILD, dict_of(), integer(0), *REST),
        # Hooks are called by torch's autograd.
        call(
            REBUILD, storage(), integer(0), tuple_of(), tuple_of(), op("NEWFALSE"),
            dict_of((integer(1), name("mine", "hook"))),
        ),
        call(name("_codecs", "encode"), op("NONE")),
        # Codecs other than the one that Python writes could hide what the bytes are.
        call(name("_codecs", "encode"), text("x"), text("zlib_codec")),
        call(name("torch", "FloatStorage"), integer(1 << 30)),
        call(name("torch", "float32")),
        name("collections", "OrderedDict") + EMPTY + dict_of((text("a"), text("b")))
        + op("NEWOBJ_EX"),
    ],
)  # fmt: skip
def test_arguments_that_no_genuine_file_passes_are_suspicious(raw: bytes) -> None:
    (finding,) = found("unexpected_arguments", pickled(raw, protocol=4))
    assert finding.severity is Severity.SUSPICIOUS


ENDLESS = call(name("builtins", "range"), integer(2**31 - 1))


@pytest.mark.parametrize(
    "bomb",
    [
        call(name("builtins", "list"), ENDLESS),
        call(name("builtins", "tuple"), ENDLESS),
        call(name("collections", "deque"), ENDLESS),
        call(name("collections", "Counter"), ENDLESS),
        call(name("array", "array"), text("d"), ENDLESS),
        call(name("builtins", "bytes"), integer(2**31 - 1)),
        call(name("copyreg", "__newobj__"), name("builtins", "tuple"), ENDLESS),
        call(
            name("copyreg", "_reconstructor"),
            name("builtins", "bytes"), name("builtins", "bytes"), integer(2**31 - 1),
        ),
        call(name("fractions", "Fraction"), text("1e999999999")),
        call(
            name("numpy.core.multiarray", "_reconstruct"),
            name("numpy", "ndarray"), tuple_of(integer(2**31 - 1)), text("d"),
        ),
    ],
)  # fmt: skip
def test_what_is_short_to_write_and_fills_the_memory_is_suspicious(bomb: bytes) -> None:
    assert len(found("unexpected_arguments", pickled(bomb))) == 1


def test_what_a_rebuilder_passes_on_is_looked_at_too() -> None:
    inner = tuple_of(name("somebody", "thing"), op("NEWFALSE"), ordered_dict())
    rebuild = name("torch._utils", "_rebuild_parameter")
    raw = call(
        name("torch._tensor", "_rebuild_from_type_v2"),
        rebuild, name("torch", "Tensor"), inner, dict_of(),
    )  # fmt: skip
    assert len(found("unexpected_arguments", pickled(raw))) == 1


def test_arguments_made_while_loading_are_suspicious() -> None:
    made = call(name("builtins", "tuple"), op("EMPTY_LIST"))
    raw = pickled(name("builtins", "bytearray"), made, REDUCE)
    assert [f.global_ for f in found("unexpected_arguments", raw)] == ["builtins.bytearray"]
