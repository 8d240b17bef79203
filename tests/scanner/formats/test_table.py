"""The table against torch itself: names, dtypes, shapes, strides and bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scanner import reading, safety
from scanner.limits import DEFAULT
from scanner.report import Verdict
from scanner.source import BytesSource
from tests.scanner.formats.files import read, rules, saved, zipped
from tests.scanner.opcode_builder import (
    call,
    dict_of,
    integer,
    name,
    op,
    ordered_dict,
    pickled,
    storage,
    text,
    tuple_of,
)

DTYPES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
    torch.uint16: "U16", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
}  # fmt: skip


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    numel = int(torch.Size(shape).numel())
    whole = torch.arange(numel + 3, dtype=torch.float32).to(draw(st.sampled_from([*DTYPES])))
    first = draw(st.integers(0, 3))
    tensor = whole[first : first + numel].reshape(shape)
    if draw(st.booleans()) and tensor.dim() > 1:
        tensor = tensor.transpose(0, 1)
    if tensor.is_floating_point() and tensor.element_size() > 1 and draw(st.booleans()):
        return torch.nn.Parameter(tensor)
    return tensor


trees = st.dictionaries(
    st.text("abcdefgh_.", min_size=1, max_size=8),
    st.recursive(
        tensors(),
        lambda inner: st.dictionaries(st.text("xyz", min_size=1, max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    min_size=1,
    max_size=4,
)


def _flat(tree: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Tensor]:
    if isinstance(tree, Tensor):
        return {path: tree}
    assert isinstance(tree, dict)
    found: dict[tuple[str, ...], Tensor] = {}
    for key, value in tree.items():
        found |= _flat(value, (*path, key))
    return found


@settings(max_examples=80, deadline=None)
@given(tree=trees, legacy=st.booleans(), protocol=st.sampled_from([2, 3, 4, 5]))
def test_it_agrees_with_torch(tree: dict[str, object], legacy: bool, protocol: int) -> None:
    found = read(saved(tree, legacy=legacy, protocol=protocol))
    assert found.table is not None
    expected = _flat(tree)
    ours = {tensor.path: tensor for tensor in found.table}
    assert ours.keys() == expected.keys()
    for path, theirs in expected.items():
        tensor = ours[path]
        assert tensor.dtype == DTYPES[theirs.dtype]
        assert tensor.shape == tuple(theirs.shape)
        assert tensor.stride == theirs.stride()
        assert tensor.parameter == isinstance(theirs, torch.nn.Parameter)
        if tensor.numel and tensor.contiguous:
            raw = theirs.detach().contiguous().flatten().view(torch.uint8)
            assert tensor.read() == bytes(raw.tolist())


def test_the_wrapper_comes_off_and_the_rest_keeps_its_path() -> None:
    found = read(
        saved(
            {
                "state_dict": {"model.w": torch.ones(2)},
                "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
                "epoch": 3,
            }
        )
    )
    assert found.table is not None
    assert [tensor.name for tensor in found.table] == [
        "model.w", "optimizer_states.0.state.0.exp_avg",
    ]  # fmt: skip
    assert found.table.wrappers == ("state_dict",)
    assert [(leaf.path, leaf.value) for leaf in found.table.leaves] == [(("epoch",), 3)]


def test_an_embedding_in_a_parameter_dict_is_found_by_its_token() -> None:
    vectors = torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(2, 768))})
    found = read(saved({"string_to_token": {"*": 265}, "string_to_param": vectors}))
    assert found.table is not None
    assert [(t.name, t.shape) for t in found.table] == [("string_to_param.*", (2, 768))]


def test_a_hypernetworks_layers_are_named_by_width_and_side() -> None:
    layers = ({"linear.0.weight": torch.ones(2, 2)}, {"linear.0.weight": torch.ones(2, 2)})
    found = read(saved({768: layers}))
    assert found.table is not None
    assert [tensor.name for tensor in found.table] == [
        "768.0.linear.0.weight", "768.1.linear.0.weight",
    ]  # fmt: skip


def test_a_whole_module_is_read_as_its_state_dict() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    found = read(saved(module))
    assert found.table is not None
    assert {tensor.name for tensor in found.table} == set(module.state_dict())


def test_a_sparse_tensor_is_a_leaf_that_says_what_it_is() -> None:
    found = read(saved({"s": torch.eye(2).to_sparse()}))
    assert found.table is not None
    assert not len(found.table)
    assert [leaf.type for leaf in found.table.leaves] == ["torch._utils._rebuild_sparse_tensor"]


def _view(offset: int, sizes: tuple[int, ...], strides: tuple[int, ...], key: str = "0") -> bytes:
    """A torch file with one tensor over a storage of four floats, sizes and all as given."""
    rebuilt = call(
        name("torch._utils", "_rebuild_tensor_v2"),
        storage(key=key), _signed(offset), tuple_of(*map(_signed, sizes)),
        tuple_of(*map(_signed, strides)), op("NEWFALSE"), op("EMPTY_DICT"),
    )  # fmt: skip
    body = pickled(dict_of((text("w"), rebuilt)))
    return zipped(("archive/data.pkl", body), ("archive/data/0", bytes(16)))


def _signed(number: int) -> bytes:
    return b"\x8a\x0c" + number.to_bytes(12, "little", signed=True)


def test_a_tensor_within_its_storage_is_kept() -> None:
    found = read(_view(1, (3,), (1,)))
    assert found.table is not None and len(found.table) == 1
    assert not found.findings


@pytest.mark.parametrize(
    ("rule", "offset", "sizes", "strides"),
    [
        ("tensor-bounds", 1, (4,), (1,)),
        ("tensor-bounds", 0, (2, 3), (3, 1)),
        ("tensor-bounds", 0, (2,), (4,)),
        ("tensor-bounds", 1 << 60, (1,), (1,)),
        ("tensor-shape", -1, (4,), (1,)),
        ("tensor-shape", 0, (-4,), (1,)),
        ("tensor-shape", 0, (4,), (-1,)),
        ("tensor-shape", 0, (1 << 40, 1 << 40), (0, 0)),
        ("tensor-shape", 0, (4,), (1, 1)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    rule: str, offset: int, sizes: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    """CVE-2026-24747: torch trusted these numbers."""
    found = read(_view(offset, sizes, strides))
    assert rule in rules(found)
    assert found.table is not None and not len(found.table)


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "", "x" * 300])
def test_a_storage_key_that_is_a_path_is_refused(key: str) -> None:
    assert "storage-key" in rules(read(_view(0, (4,), (1,), key)))


def _beyond(storage_kind: str = "FloatStorage") -> bytes:
    """A tensor of a hundred elements over a storage of four."""
    return call(
        name("torch._utils", "_rebuild_tensor_v2"), storage(storage_kind), integer(0),
        tuple_of(integer(100)), tuple_of(integer(1)), op("NEWFALSE"), ordered_dict(),
    )  # fmt: skip


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "a list": lambda bad: op("EMPTY_LIST") + op("MARK") + bad + op("APPENDS"),
    "a key": lambda bad: dict_of((bad, text("x"))),
    "thrown away": lambda bad: bad + op("POP") + text("x"),
    "a state": lambda bad: ordered_dict() + dict_of((text("_metadata"), bad)) + op("BUILD"),
    "a parameter": lambda bad: call(
        name("torch._utils", "_rebuild_parameter"), bad, op("NEWTRUE"), ordered_dict()
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_beyond_its_storage_is_malicious_wherever_it_stands(place: str) -> None:
    """torch reads it while it loads, whatever becomes of it afterwards."""
    data = zipped(
        ("a/data.pkl", pickled(PLACES[place](_beyond()))), ("a/data/0", bytes(16)),
        ("a/version", b"3\n"),
    )  # fmt: skip
    judged = safety.judge(reading.read(BytesSource(data, 0), DEFAULT), DEFAULT)
    assert judged.verdict is Verdict.MALICIOUS
