"""Whatever torch saves converts to what torch loads, bit for bit; and what does not is named.

``EXAMPLES=5000 python -m pytest tests/scanner/convert/test_properties.py`` looks for longer.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.convert import to_file
from scanner.errors import Refused
from tests.scanner.convert.sources import Name, assert_equal, flat, loaded, rewritten, tarred

EXAMPLES = int(os.environ.get("EXAMPLES", "30"))
long = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

#: Those that have a storage of their own kind …
_OLD = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64,
]  # fmt: skip
#: … and those that lie in untyped bytes.
_NEW = [
    torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip
_PARAMETERS = (torch.float32, torch.float16, torch.bfloat16, torch.complex64)
#: What may lie beside tensors.
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20),
    st.binary(max_size=9), st.just(torch.Size([1, 2])), st.just(torch.float16),
)  # fmt: skip
#: No name of these is a wrapper's, an embedding's or a hypernetwork's.
_NAMES = st.text("abyzé木0.-_ \n/\\", min_size=1, max_size=10)
_KEYS = st.one_of(_NAMES, st.integers(0, 12))
_WRAPPERS = ["state_dict", "model_state_dict", "module", "model", "net", "generator", "weights"]


# -- trees ---------------------------------------------------------------------------------------


class Store(NamedTuple):
    """Bytes that several tensors look into."""

    flat: torch.Tensor

    def view(self, draw: st.DrawFn) -> torch.Tensor:
        """Any view that torch allows: strides of nought, overlaps, elements left out."""
        most = self.flat.numel()
        shape = draw(st.lists(st.integers(0, 5), max_size=4))
        stride = [draw(st.integers(0, 7)) for _ in shape]
        if draw(st.booleans()):
            stride = list(torch.empty(shape).stride())
        reach = sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        if reach >= most or 0 in shape:
            # Out of bounds, which torch would not make: nothing of it then.
            first = draw(st.integers(0, most - 1))
            return self.flat[first:first].reshape(shape) if 0 in shape else self.flat[first]
        first = draw(st.integers(0, most - 1 - reach))
        return self.flat.as_strided(shape, stride, first)


@st.composite
def stores(draw: st.DrawFn, dtypes: list[torch.dtype]) -> Store:
    """Random bits, so that every kind of not-a-number is among the floats."""
    dtype = draw(st.sampled_from(dtypes))
    count = draw(st.integers(1, 200))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 1 << 30)))
    raw = torch.randint(0, 256, (count * dtype.itemsize,), generator=seed, dtype=torch.int64)
    if dtype is torch.bool:
        raw %= 2
    return Store(raw.to(torch.uint8).view(dtype))


@st.composite
def tensors(draw: st.DrawFn, pool: list[Store]) -> torch.Tensor:
    tensor = draw(st.sampled_from(pool)).view(draw)
    match draw(st.integers(0, 6)):
        case 1 if tensor.dim() > 1:
            return tensor.transpose(0, -1)
        case 2 if tensor.dim():
            return tensor[..., ::2]
        case 3:
            return tensor.expand(3, *tensor.shape)
        case 4 if tensor.dtype in _PARAMETERS:
            return torch.nn.Parameter(tensor, requires_grad=draw(st.booleans()))
        case 5:
            return torch.nn.Buffer(tensor)
        case 6 if tensor.dtype is torch.float32:
            tensor = tensor.detach()
            tensor.note = "attributes are torch's own business"  # type: ignore[attr-defined]
    return tensor


@st.composite
def trees(draw: st.DrawFn, pool: list[Store], depth: int = 3) -> object:
    one = st.one_of(tensors(pool), tensors(pool), _LEAVES)
    if depth:
        one = st.one_of(one, trees(pool, depth - 1))
    items = draw(st.dictionaries(_KEYS, one, max_size=4))
    match draw(st.integers(0, 5)):
        case 0:
            return OrderedDict(items)
        case 1:
            return list(items.values())
        case 2:
            return tuple(items.values())
    return items


def _names(tree: object) -> Iterator[str]:
    return (".".join(map(str, way)) for way, _ in flat(tree))


def _is_told(way: Name, dropped: set[str]) -> bool:
    """By itself, or with what it lies in: of many values one line tells."""
    return any(".".join(map(str, way[:depth])) in dropped for depth in range(1, len(way) + 1))


class Saved(NamedTuple):
    tree: object
    wrappers: tuple[str, ...]


@st.composite
def files(draw: st.DrawFn, dtypes: list[torch.dtype]) -> Saved:
    pool = draw(st.lists(stores(dtypes), min_size=1, max_size=4))
    state = draw(st.dictionaries(_KEYS, tensors(pool), min_size=1, max_size=5))
    state |= {f"deep{key}": value for key, value in
              draw(st.dictionaries(_KEYS, trees(pool), max_size=3)).items()}  # fmt: skip
    state["tied.weight"] = next(iter(state.values()))
    tree: object = OrderedDict(state) if draw(st.booleans()) else state
    wrappers = tuple(draw(st.lists(st.sampled_from(_WRAPPERS), max_size=2, unique=True)))
    for wrapper in reversed(wrappers):
        tree = {"global_step": 7, wrapper: tree, "note": None}
    return Saved(tree, wrappers)


def expected(tree: object, wrappers: tuple[str, ...]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for way, value in flat(tree):
        if isinstance(value, torch.Tensor):
            inner = way[len(wrappers) :] if way[: len(wrappers)] == wrappers else way
            found[".".join(map(str, inner))] = value
    return found


def _unique(tree: object) -> bool:
    """Whether no two tensors come to one dotted name: that they do is another test's."""
    names = list(_names(tree))
    return len(set(names)) == len(names)


pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


# -- every form ----------------------------------------------------------------------------------


@long
@given(st.data(), st.integers(2, 5), st.booleans())
def test_any_tree_converts_to_what_torch_loads(
    data: st.DataObject, protocol: int, zipped: bool
) -> None:
    # Of untyped bytes torch writes legacy files that it does not read.
    saved = data.draw(files(_OLD + _NEW if zipped else _OLD))
    if not _unique(saved.tree):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.ckpt")
        torch.save(
            saved.tree, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
        )
        done = assert_equal(path, expected(loaded(path), saved.wrappers))
    told = {item.name for item in done.dropped}
    for way, value in flat(saved.tree):
        # None says nothing, and a number of steps goes into the metadata.
        if (
            not isinstance(value, torch.Tensor)
            and value is not None
            and way[-1:] != ("global_step",)
        ):
            assert _is_told(way, told), way


@long
@given(
    files(_OLD),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.sampled_from([None, b"little", b"big"]),
    st.booleans(),
    st.booleans(),
)
def test_any_archive_converts_to_what_torch_loads(
    saved: Saved, method: int, byteorder: bytes | None, streamed: bool, zip64: bool
) -> None:
    if not _unique(saved.tree):
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "model.ckpt")
        torch.save(saved.tree, plain)
        path = rewritten(plain, method=method, byteorder=byteorder, streamed=streamed, zip64=zip64)
        assert_equal(path, expected(loaded(path), saved.wrappers))


@long
@given(st.data(), st.booleans())
def test_any_tar_converts_to_what_torch_loads(data: st.DataObject, views: bool) -> None:
    dtypes = [dtype for dtype in _OLD if dtype is not torch.complex64]
    pool = data.draw(st.lists(stores(dtypes), min_size=1, max_size=3))
    state = data.draw(st.dictionaries(_NAMES, tensors(pool), min_size=1, max_size=5))
    with tempfile.TemporaryDirectory() as folder:
        path = tarred(state, Path(folder, "model.pt"), views=views)
        assert_equal(path, torch.load(path, weights_only=False))


# -- what is no plain tensor ---------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.ckpt"


_PAIR = torch.tensor([1 + 2j, 3 - 4j])
_ODD: dict[str, Callable[[], object]] = {
    "conjugated": _PAIR.conj,
    "negated": lambda: _PAIR.conj().imag,
    "sparse": lambda: torch.eye(3).to_sparse(),
    "rows": lambda: torch.eye(3).to_sparse_csr(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "nowhere": lambda: torch.ones(2, device="meta"),
    "half-complex": lambda: torch.ones(2, dtype=torch.complex32),
    "storage": lambda: torch.ones(2).untyped_storage(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", _ODD)
def test_what_safetensors_cannot_hold_is_named(path: Path, kind: str) -> None:
    odd = _ODD[kind]()
    torch.save({"deep": {"first": odd, "second": odd}, "w": torch.ones(2)}, path)
    done = assert_equal(path, {"w": torch.ones(2)})
    named = {item.name for item in done.dropped}
    assert named in ({"deep.first", "deep.second"}, {"deep"})


def test_a_dtype_without_a_word_in_safetensors_is_refused(path: Path) -> None:
    torch.save({"phases": torch.ones(2, dtype=torch.complex128)}, path)
    with pytest.raises(Refused, match="C128: phases") as caught:
        to_file(path, path.with_suffix(".safetensors"))
    assert caught.value.code == "convert.dtype"


def test_a_state_dict_with_its_versions_converts_whole(path: Path) -> None:
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(layers.state_dict(), path)
    done = assert_equal(path, dict(layers.state_dict()))
    assert [item.name for item in done.dropped] == ["_metadata"]


@pytest.mark.parametrize("kind", [torch.nn.ParameterDict, torch.nn.ParameterList])
def test_modules_that_only_hold_parameters_convert(path: Path, kind: type) -> None:
    one, two = (torch.nn.Parameter(torch.randn(3, size)) for size in (2, 5))
    held = kind({"a": one, "b": two} if kind is torch.nn.ParameterDict else [one, two])
    torch.save({"held": held, "w": torch.ones(2)}, path)
    names = {".".join(map(str, way)): value for way, value in flat({"held": held})}
    assert_equal(path, {"w": torch.ones(2), **names})  # type: ignore[dict-item]


def test_a_name_that_two_tensors_would_share_is_told_apart(path: Path) -> None:
    torch.save({1: torch.ones(2), "1": torch.zeros(3)}, path)
    target = path.with_suffix(".safetensors")
    assert to_file(path, target).tensors == 2


# -- byte order ----------------------------------------------------------------------------------


def test_untyped_bytes_of_a_big_endian_machine_are_turned_round(path: Path) -> None:
    # torch itself forgets to.
    values = torch.tensor([1, 258, 65535], dtype=torch.uint16)
    torch.save({"w": values.view(torch.uint8).view(-1, 2).flip(1).reshape(-1).view(torch.uint16)},
               path)  # fmt: skip
    assert_equal(rewritten(path, byteorder=b"big"), {"w": values})


def test_the_legacy_format_is_little_endian_whatever_the_machine_was(path: Path) -> None:
    torch.save({"w": torch.arange(5.0)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    # BINPUT, then NEWTRUE: what the third pickle says of the machine.
    at = data.index(b"little_endian")
    true = data.index(b"\x88", at)
    path.write_bytes(data[:true] + b"\x89" + data[true + 1 :])
    read = torch.load(path, weights_only=True)
    assert read["w"].tolist() == [0, 1, 2, 3, 4]
    assert_equal(path, read)
