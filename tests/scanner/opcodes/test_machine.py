"""The machine has the C unpickler's semantics, keeps every limit and never raises."""

from __future__ import annotations

import pickle
import zlib
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.limits import Limits
from scanner.opcodes import machine
from scanner.opcodes.trace import Trace
from scanner.opcodes.values import Call, Const, DictValue, ListValue, SetValue, TupleValue, Value
from scanner.source import BytesSource, InflatedSource
from tests.scanner.opcode_builder import (
    call,
    dict_of,
    integer,
    name,
    names,
    op,
    pickled,
    proto,
    stack_name,
    tensor,
    text,
    traced,
    tuple_of,
)  # fmt: skip


def plain(value: Value) -> object:
    """The Python value that a description describes."""
    match value:
        case Const():
            return value.value
        case TupleValue():
            return tuple(plain(item) for item in value.items)
        case ListValue():
            return [plain(item) for item in value.items]
        case SetValue():
            return {plain(item) for item in value.items}
        case DictValue():
            return {plain(key): plain(item) for key, item in value.items}
    raise AssertionError(value)


def result(raw: bytes) -> object:
    trace = traced(raw)
    assert trace.result is not None, trace.oddities
    return plain(trace.result)


def codes(trace: Trace) -> list[str]:
    return [odd.code for odd in trace.oddities]


_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary(max_size=300)
)  # fmt: skip
_trees = st.recursive(
    _leaves,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(value=_trees, protocol=st.sampled_from([3, 4, 5]))
def test_plain_data_is_read_as_it_was_written(value: object, protocol: int) -> None:
    trace = traced(pickle.dumps(value, protocol))
    assert trace.result is not None
    assert plain(trace.result) == value
    assert trace.oddities == ()


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=400))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    trace = traced(raw)
    assert trace.end <= len(raw)
    assert trace.result is not None or any(odd.fatal for odd in trace.oddities)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"1", 1), (b"-7", -7), (b"01", True), (b"00", False), (b"+1", True), (b"1 ", 1),
        (b"0x1f", 31), (b"017", 15), (b"0o17", 15), (b"0b11", 3), (b"1_0", 10), (b"1\x00z", 1),
        (b"9223372036854775808", 9223372036854775808),
    ],
)  # fmt: skip
def test_int_is_read_in_base_0(written: bytes, read: int) -> None:
    value = result(op("INT", written + b"\n") + b".")
    assert value == read
    assert isinstance(value, bool) is isinstance(read, bool)


@pytest.mark.parametrize(
    ("written", "read"), [(b"7L", 7), (b"7", 7), (b"0o17L", 15), (b"-0x10L", -16)]
)
def test_long_is_read_in_base_0(written: bytes, read: int) -> None:
    assert result(op("LONG", written + b"\n") + b".") == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"'os'", "os"), (b'"os"', "os"), (b"'\\x6f\\163'", "os"), (b"'a\\'b'", "a'b"),
        (b"'\\q'", "\\q"), (b"'caf\xc3\xa9'", "café"), (b"'caf\xe9'", "café"),
    ],
)  # fmt: skip
def test_string_quotes_and_escapes(written: bytes, read: str) -> None:
    assert result(op("STRING", written + b"\n") + b".") == read


@pytest.mark.parametrize("written", [b"os", b"'os", b"'", b"'\\x6'", b"'\\'"])
def test_a_string_that_c_refuses_ends_the_pickle(written: bytes) -> None:
    assert codes(traced(op("STRING", written + b"\n") + b".")) == ["pickle.string_malformed"]


def test_pop_takes_a_mark_that_lies_on_top() -> None:
    assert result(pickled(op("NONE"), op("MARK"), op("POP"))) is None


def test_nothing_is_popped_from_under_a_mark() -> None:
    trace = traced(pickled(op("NONE"), op("MARK"), op("TUPLE1")))
    assert codes(trace) == ["pickle.stack_underflow"]


def test_a_name_before_the_end_of_input_loses_its_last_byte_as_in_c() -> None:
    assert names(traced(b"cos\nsystemX")) == ["os.system"]


def test_a_global_by_memo_pop_and_mark() -> None:
    raw = pickled(
        text("os"), op("MEMOIZE"), op("MARK"), text("noise"), op("POP_MARK"), op("POP"),
        op("BINGET", b"\0"), text("system"), op("STACK_GLOBAL"), protocol=4,
    )  # fmt: skip
    assert names(traced(raw)) == ["os.system"]


def test_state_items_and_appended_values_are_kept_with_the_call() -> None:
    made = name("a", "B") + op("EMPTY_TUPLE") + op("NEWOBJ")
    raw = pickled(
        made, integer(1), integer(2), op("SETITEM"), integer(3), op("APPEND"), dict_of(),
        op("BUILD"),
    )  # fmt: skip
    value = traced(raw).result
    assert isinstance(value, Call)
    assert (len(value.items), len(value.appended), len(value.states)) == (1, 1, 1)
    assert [mutation.opcode for mutation in traced(raw).mutations] == ["SETITEM", "APPEND", "BUILD"]


def test_arguments_that_are_made_while_loading_are_marked() -> None:
    raw = pickled(name("a", "b"), call(name("c", "d")), op("REDUCE"))
    assert [made.spread for made in traced(raw).calls] == [False, True]


def test_later_pickles_are_followed_with_and_without_the_memo_before_them() -> None:
    first = traced(
        pickled(text("os"), op("MEMOIZE"), op("POP"), text("popen"), op("MEMOIZE"), protocol=4)
    )
    raw = pickled(
        text("fine"), op("MEMOIZE"), text("name"), op("MEMOIZE"), op("POP"), op("POP"),
        op("BINGET", b"\0"), op("BINGET", b"\1"), op("STACK_GLOBAL"), protocol=4,
    )  # fmt: skip
    trace = traced(raw, memo=first.memo)
    assert names(trace) == ["fine.name"]
    assert [names(other) for other in trace.alternates] == [["os.popen"]]


def test_a_pickle_that_needs_the_memo_before_it_gets_it() -> None:
    first = traced(pickled(text("os"), op("BINPUT", b"\0")))
    raw = pickled(op("BINGET", b"\0"), text("system"), op("STACK_GLOBAL"), protocol=4)
    trace = traced(raw, memo=first.memo)
    assert names(trace) == ["os.system"]
    assert "memo-carried" in codes(trace)


def test_a_carried_memo_shifts_what_memoize_remembers() -> None:
    # On its own the second pickle remembers "os" as 0, and recalls nothing. An unpickler that has
    # read the first remembers it as 1.
    first = traced(pickled(text("x"), op("BINPUT", b"\1"), protocol=4))
    recalled = [text("os"), op("MEMOIZE"), op("POP"), op("BINGET", b"\1")]
    raw = pickled(*recalled, text("system"), op("STACK_GLOBAL"), protocol=4)
    trace = traced(raw, memo=first.memo)
    assert ["os.system"] in [names(way) for way in (trace, *trace.alternates)]


def test_bytes_that_c_drops_at_a_frames_end_are_dropped_too() -> None:
    # python/cpython#154848: io.BytesIO cannot peek, so the string begins anew behind the frame.
    hidden = stack_name("os", "system")
    raw = (
        proto(4) + op("FRAME", (7).to_bytes(8, "little")) + op("SHORT_BINUNICODE", b"\x10aaaaa")
        + b"b" * 11 + op("BINBYTES", len(hidden).to_bytes(4, "little")) + hidden + b"0N."
    )  # fmt: skip
    trace = traced(raw)
    assert names(trace) == []
    assert [names(other) for other in trace.alternates] == [["os.system"]]


def test_of_two_frames_one_may_be_kept_and_one_dropped() -> None:
    # A file's own buffer may end within the second frame: C then peeks at the first, and keeps
    # what is left of it, but reads the second, and drops that.
    def framed(kept: bytes) -> bytes:
        return op("FRAME", (7).to_bytes(8, "little")) + op("SHORT_BINUNICODE", b"\x10") + kept

    hidden = stack_name("os", "system")
    inside = framed(b"aaaaa") + b"b" * 11
    last = op("BINBYTES", len(hidden).to_bytes(4, "little")) + hidden + b"0N."
    # Dropped, the first frame's string swallows the second frame.
    raw = proto(4) + framed(b"ccccc") + b"d" * 11 + inside + last
    ways = [names(other) for other in traced(raw).alternates]
    assert ["os.system"] in ways
    assert len(ways) > 1


def test_more_ways_across_frames_than_can_be_followed_are_a_finding() -> None:
    straddling = op("FRAME", (2).to_bytes(8, "little")) + op("BININT2", b"\x07\0")
    many = traced(proto(4) + straddling * 40 + b".")
    assert len(many.alternates) == Limits().frame_ways
    assert "limit.frame_ways" in codes(many)
    few = traced(proto(4) + straddling * 3 + b".")
    assert "limit.frame_ways" not in codes(few)


def test_inst_asks_for_its_name_before_it_looks_for_a_mark() -> None:
    # joblib's unpickler is the one in Python, which imports before it fails.
    assert names(traced(op("INST", b"os\nsystem\n") + b".")) == ["os.system"]


def test_pairs_before_a_key_without_a_value_are_set() -> None:
    # Again as the unpickler in Python does.
    items = op("BININT1", b"\1") * 3
    trace = traced(pickled(name("os", "environ"), op("MARK"), items, op("SETITEMS")))
    assert [str(change.target) for change in trace.mutations] == ["os.environ"]


def test_offsets_count_from_the_member() -> None:
    raw = b"\xff" * 10 + pickled(name("os", "system"))
    trace = machine.trace(BytesSource(raw, 1000), 10, Limits(), member="m")
    assert raw[trace.imports[0].offset :].startswith(b"cos\n")
    assert (trace.start, trace.end, trace.file_offset) == (10, len(raw), 1000)


def test_a_deflate_stream_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    packer = zlib.compressobj(wbits=-15)
    body = pickled(name("os", "system"), op("NONE") * 8)[:-1]
    packed = packer.compress(body) + packer.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 40
    trace = machine.trace(InflatedSource(BytesSource(packed), 100_000), 0, Limits(), member="m")
    assert names(trace) == ["os.system"]
    assert any(odd.fatal for odd in trace.oddities)


def test_a_pickle_as_large_as_a_checkpoint_s_is_read_whole() -> None:
    raw = pickled(
        op("EMPTY_DICT"), *(text(f"k{i}") + tensor() + op("SETITEM") for i in range(1_500))
    )
    trace = traced(raw)
    assert trace.opcodes > 36_000
    assert len(trace.calls) == 3_000
    assert not any(oddity.fatal for oddity in trace.oddities)


@pytest.mark.parametrize(
    ("limits", "raw", "code"),
    [
        (Limits(opcodes=10), pickled(op("NONE") * 20), "limit.opcodes"),
        (Limits(stack_depth=10), pickled(op("NONE") * 20), "limit.stack_depth"),
        (Limits(marks=10), pickled(op("MARK") * 20, op("NONE")), "limit.marks"),
        (Limits(pickle_bytes=10), pickled(op("NONE") * 20), "limit.pickle_bytes"),
        (
            Limits(memo_entries=3),
            pickled(op("NONE"), *(op("BINPUT", bytes([i])) for i in range(5))),
            "limit.memo_entries",
        ),
        (Limits(), pickled(op("NONE"), op("LONG_BINPUT", b"\xff" * 4)), "limit.memo_index"),
        (Limits(string_bytes=10), pickled(text("x" * 20)), "limit.string_bytes"),
        (Limits(string_bytes=10), op("UNICODE", b"x" * 200_000 + b"\n."), "limit.string_bytes"),
        (
            Limits(integer_digits=10),
            pickled(op("LONG", b"9" * 20 + b"L\n")),
            "limit.integer_digits",
        ),
        (Limits(events=3), pickled(call(name("a", "b")) * 5), "limit.events"),
        (Limits(), pickled(op("BINBYTES8", b"\xff" * 8)), "pickle.truncated"),
        (Limits(), pickled(op("BINSTRING", b"\xff" * 4)), "pickle.negative_length"),
    ],
)
def test_every_limit_is_kept(limits: Limits, raw: bytes, code: str) -> None:
    assert code in codes(traced(raw, limits))


def test_what_lies_behind_a_string_that_is_too_long_is_still_read() -> None:
    raw = pickled(text("x" * 300_000), op("POP"), name("os", "system"))
    assert names(traced(raw, Limits(string_bytes=1_000))) == ["os.system"]


def test_nesting_costs_no_recursion() -> None:
    deep = pickled(op("EMPTY_TUPLE") + op("TUPLE1") * 200_000)
    assert traced(deep).opcodes == 200_003


def test_ordinary_pickles_of_every_protocol_have_no_oddity() -> None:
    value = [OrderedDict(a=1), {2}, frozenset({3}), b"x", bytearray(b"y"), 1 << 70, 1.5, True]
    value.append(value)
    for protocol in range(6):
        assert traced(pickle.dumps((value, value), protocol)).oddities == ()


def test_an_unbounded_tuple_argument_is_not_recursed_into() -> None:
    assert traced(pickled(tuple_of(*(integer(1) for _ in range(50_000))))).result is not None
